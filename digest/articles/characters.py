"""Normalisation of text and removal of characters that XML, mail or databases do not support. Pure."""

import re
import unicodedata

# XML 1.0, section 2.2 forbids C0 controls, surrogates, U+FFFE and U+FFFF; mail readers show C1 controls as boxes;
# PostgreSQL refuses NUL, and a lone surrogate cannot be encoded as UTF-8.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BLANKS = re.compile("[ \t\n]+")
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")


def without_forbidden(text: str) -> str:
    """Return the text without the characters that cannot be sent."""
    return _FORBIDDEN.sub("", text)


def clean(text: str) -> str:
    """Return the text in NFC, with `\\n` as the only line end and without characters that cannot be sent."""
    return unicodedata.normalize("NFC", without_forbidden(_LINE_ENDS.sub("\n", text)))


def one_line(text: str) -> str:
    """Return the clean text on one line; runs of blanks become one space, no-break and ideographic spaces stay."""
    return _BLANKS.sub(" ", clean(text)).strip(" ")


def first_forbidden(text: str) -> tuple[int, str] | None:
    """Return the line (from 1) and the name (`U+0000`) of the first character that cannot be sent."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    return text.count("\n", 0, found.start()) + 1, f"U+{ord(found.group()):04X}"
