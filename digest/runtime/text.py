"""Truncation of texts for lists, excerpts and stored replies; comparison; direction of writing. Pure."""

import unicodedata

_RTL = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "iw", "khw", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"})


def cut(text: str, most: int) -> str:
    """Return the text in at most `most` characters, the last one an ellipsis if it was longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def cut_between_words(text: str, most: int) -> str:
    """Return the whole words within the first `most` characters, without an ellipsis; a single long word is cut."""
    return text if len(text) <= most else text[:most].rpartition(" ")[0] or text[: most - 1]


def words_only(text: str) -> str:
    """Return the text for comparison: without case, blanks and punctuation."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum()) or text


def is_rtl(language: str) -> bool:
    """Return whether a language (BCP 47) is written from right to left."""
    codes = language.lower().split("-")
    scripts = [code for code in codes[1:] if len(code) == 4]
    return bool({"arab", "hebr", "thaa", "nkoo", "syrc", "adlm"} & set(scripts)) if scripts else codes[0] in _RTL


def is_spaced(language: str) -> bool:
    """Return whether words of a language (BCP 47) are set apart by spaces."""
    return language.lower().split("-")[0] not in {"zh", "ja", "yue", "th", "lo", "km", "my"}
