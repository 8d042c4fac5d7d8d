"""Truncation of texts for lists, excerpts and stored replies; plurals; comparison; direction of writing. Pure."""

import re
import unicodedata

_RTL = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "iw", "khw", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"})

# Not after "U.S." or "5.".
_SENTENCE_END = re.compile(r"""(?:[^\W_]{3}|[가-힣]|[)"”’])[.!?](?= [^a-z\d])|[。！？]""")
# A figure without its unit, or punctuation within a sentence.
_UNFINISHED = re.compile(r"(?: \S*\d\S*(?: \S+)?|[,;:. ])+$")


def cut(text: str, most: int) -> str:
    """Return the text in at most `most` characters, the last one an ellipsis if it was longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def cut_between_words(text: str, most: int) -> str:
    """Return the whole words within the first `most` characters, without an ellipsis; a single long word is cut."""
    return text if len(text) <= most else text[:most].rpartition(" ")[0] or text[: most - 1]


def whole_sentences(text: str, most: int, least: int) -> str:
    """Return the whole sentences within the first `most` characters if they have more than `least`, else its words.

    Words are never cut within a figure, and end with an ellipsis.
    """
    if len(text) <= most:
        return text
    ends = [end.end() for end in _SENTENCE_END.finditer(text) if end.end() <= most]
    if ends and ends[-1] > least:
        return text[: ends[-1]]
    return _UNFINISHED.sub("", cut_between_words(text, most)) + "…"


def count_of(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: `1 reader`, `2,000 readers`; `many` is for plurals that do not just add an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def ended(text: str) -> str:
    """Return the text with a full stop, unless it ends with a mark."""
    return text if text.endswith((".", "?", "!", "…")) else f"{text}."


def words_only(text: str) -> str:
    """Return the text for comparison: without case, blanks and punctuation."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum()) or text


def one_person(name: str) -> str:
    """Return what is equal for the spellings of one name: case, composed letters and invisible characters."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
    return " ".join("".join(letter for letter in folded if unicodedata.category(letter) != "Cf").split())


def is_rtl(language: str) -> bool:
    """Return whether a language (BCP 47) is written from right to left."""
    codes = language.lower().split("-")
    scripts = [code for code in codes[1:] if len(code) == 4]
    return bool({"arab", "hebr", "thaa", "nkoo", "syrc", "adlm"} & set(scripts)) if scripts else codes[0] in _RTL


def is_spaced(language: str) -> bool:
    """Return whether words of a language (BCP 47) are set apart by spaces."""
    return language.lower().split("-")[0] not in {"zh", "ja", "yue", "th", "lo", "km", "my"}
