"""What a list of mails shows of an edition: sender, subject and preheader, cut at the width of the window. Pure."""

import unicodedata
from dataclasses import dataclass

WIDTHS = (40, 70, 100)
"""Columns of a phone, a narrow and a wide window, about; a Hangul syllable takes two."""


@dataclass(frozen=True, slots=True)
class InboxLine:
    """Subject and preheader as they share a line of so many columns."""

    columns: int
    subject: str
    preheader: str


def inbox_lines(subject: str, preheader: str) -> list[InboxLine]:
    """Return the line at each width; the preheader takes the room that the subject leaves."""
    found = []
    for columns in WIDTHS:
        shown = _cut(subject, columns)
        found.append(InboxLine(columns, shown, _cut(preheader, columns - _columns(shown) - 3)))
    return found


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1 for letter in text)


def _cut(text: str, columns: int) -> str:
    """Return what fits, the last column an ellipsis if that is not all; nothing in fewer than four columns."""
    if _columns(text) <= columns:
        return text
    text = text[: max(columns, 0)]
    while text and _columns(text) > columns - 1:
        text = text[:-1]
    return f"{text.rstrip()}…" if columns > 3 else ""
