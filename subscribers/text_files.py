"""Encoding and separator of text files that spreadsheets and other programs write. Pure."""

import codecs
import csv
from collections.abc import Iterator
from typing import Final
from unicodedata import category, name

SEPARATORS: Final = ",;\t|"
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ENOUGH: Final = 0.7
_BETWEEN: Final = ' ,;\t\r\n"'
_JAPANESE: Final = ("HIRAGANA", "KATAKANA", "CJK")
_LATIN: Final = ("LATIN",)
_FREQUENT_CHINESE: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主"
    "发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化北京市明小文华海伟芳强"
)
_FREQUENT_TAIWANESE: Final = (
    "王陳林黃張李吳劉蔡楊許鄭謝郭洪的一是不了人在有我他這中大來上"
    "國們為到說時要出會可也你對生能而子那得於自年多作地方小明文臺北市"
)
# Encoding, its language, the script that it is for, and its characters that are frequent (all, if none is named). Of
# equals the first is taken.
_ENCODINGS: Final = (
    ("cp949", "Korean", ("HANGUL SYLLABLE",), ""),
    ("cp932", "Japanese", _JAPANESE, ""),
    ("gb18030", "Chinese", ("CJK",), _FREQUENT_CHINESE),
    ("euc_jp", "Japanese", _JAPANESE, "のはをにがとでたしる"),
    ("big5", "Chinese", ("CJK",), _FREQUENT_TAIWANESE),
    ("cp1252", "Western European", _LATIN, ""),
    ("cp1250", "Central European", _LATIN, ""),
    ("cp1254", "Turkish", _LATIN, ""),
    ("cp1251", "Cyrillic", ("CYRILLIC",), "оеаинтсрвлкмдпуя"),
    ("koi8_r", "Cyrillic", ("CYRILLIC",), "оеаинтсрвлкмдпуя"),
    ("cp1253", "Greek", ("GREEK",), "αοιετσνηυρπκλμςόίάέώ"),
    ("cp1255", "Hebrew", ("HEBREW LETTER",), ""),
    ("cp1256", "Arabic", ("ARABIC",), ""),
    ("cp874", "Thai", ("THAI",), "านรกอเงมยลวดทสต่้ิีัชพคจบป"),
    ("mac_roman", "Western European, of a Mac", _LATIN, ""),
)
_COMMON: Final = {"cp949": "euc_kr", "gb18030": "gb2312"}  # the smaller set, which has the usual characters
_ICELANDIC: Final = "ÐÞÝðþý"  # where Turkish has its own letters


def likely_encoding(sample: bytes) -> tuple[str, str]:
    """Return the encoding that text outside UTF-8 probably has, and its name for people; both empty if none is likely.

    `sample` ends at a line's end.
    """
    if sample.startswith(_MARKS):
        return "utf-16", "UTF-16"
    scores = [(_score(sample, *rule), -place) for place, rule in enumerate(_ENCODINGS)]
    best, place = max(scores)
    encoding, language, _, _ = _ENCODINGS[-place]
    return (encoding, f"{encoding.upper().replace('_', '-')} ({language})") if best >= _ENOUGH else ("", "")


def _score(sample: bytes, encoding: str, _language: str, scripts: tuple[str, ...], frequent: str) -> float:
    """Return the share of characters outside ASCII that make sense in the encoding, 0 if it cannot be decoded."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return 0
    places = [place for place, one in enumerate(text) if not one.isascii()]
    points = [_sense(text[max(place - 1, 0) : place + 2], text[place], scripts, frequent) for place in places]
    if common := _COMMON.get(encoding):
        points = [point * _has(common, text[place]) for point, place in zip(points, places, strict=True)]
    return sum(points) / len(points) if points else 0


def _sense(around: str, one: str, scripts: tuple[str, ...], frequent: str) -> float:
    """Return how likely a character is in a text of the scripts, between its neighbours, from 0 to 1."""
    before, _, after = around.partition(one)
    kind = category(one)
    if kind in {"Pi", "Pf", "Pd"} or one in "€…":  # which are in any text
        return 0.95
    odd_case = one.isupper() and before.islower()
    if kind[0] not in "LM" or not name(one, "").startswith(scripts) or odd_case:
        return 0
    if scripts == _LATIN:
        foreign = not before.isascii() and not after.isascii()  # a word without one letter of ASCII
        return 0 if foreign else 0.5 if not (before + after).strip(_BETWEEN) else 0.9 if one in _ICELANDIC else 1
    if any(near.isascii() and near.isalpha() for near in before + after):
        return 0
    return 1 if not frequent or one.lower() in frequent else 0.8


def _has(encoding: str, one: str) -> bool:
    try:
        return len(one.encode(encoding)) == 2
    except UnicodeEncodeError:
        return False


def known_encoding(encoding: str) -> bool:
    """Return whether text can be decoded from an encoding of this name."""
    try:
        b"a".decode(encoding)
    except UnicodeDecodeError:  # of two bytes a character
        return True
    except (LookupError, ValueError):
        return False
    return True


def decoded(content: bytes, encoding: str = "") -> str:
    """Decode as UTF-8; with an `encoding`, what holds no characters of UTF-8. Raises UnicodeDecodeError."""
    if encoding and not is_utf8(content):
        return content.decode(encoding)
    return content.decode("utf-8")


def is_utf8(content: bytes) -> bool:
    """Return whether the content holds characters outside ASCII, and all of them are UTF-8: no other encoding is."""
    try:
        return not content.isascii() and bool(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def declared_separator(line: str) -> str:
    """Return the separator of a first line such as `sep=;`, which spreadsheets read; empty for any other line."""
    text = line.rstrip("\r\n").strip('"')
    return text[4:] if text[:4].lower() == "sep=" and len(text) == 5 and not text[4:].isalnum() else ""


def separator_of(header: str) -> str:
    """Return the separator with which the first line names the most columns."""
    return max(SEPARATORS, key=lambda separator: len(next(_cells(header, separator), [])))


def _cells(line: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader([line], delimiter=separator)
    except csv.Error:  # NUL, or a cell beyond the limit
        return
