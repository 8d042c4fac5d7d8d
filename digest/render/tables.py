"""Tables of a body that a small screen shows as records, label and value, so that words stay whole. Pure.

It reads what the sanitiser prints. A table that no mail is wide enough for is records everywhere.
"""

import html
import re
from collections.abc import Iterator, Sequence

from digest.render.plaintext import cells
from digest.runtime.text import is_spaced

# CSS pixels between the paddings of a mail on a screen of 320, 480 and 600, and the class for what needs more.
_ROOM = ((272, ""), (432, "records-480"), (552, "records-600"))
_CELL_PADDING = 20
_PIXELS = 8.6  # of a column of text at 15 pixels, bold heads included
_LINES = 4  # that a cell may have before its column counts as too narrow
_COMFORT = 120

_TABLE = re.compile(r"<table>((?:(?!<table).)*?)</table>", re.DOTALL)
_ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[hd])([^>]*)>(.*?)</t[hd]>", re.DOTALL)
_BLOCK = re.compile(r"<(?:p|ul|ol|dl|h4|pre|blockquote|div|hr)\b")
_TAG = re.compile(r"<[^>]*>")


def fit(body_html: str, language: str) -> str:
    """Return a sanitised body with its wide tables made ready for small screens."""
    return _TABLE.sub(lambda found: _fitted(found[0], found[1], language), body_html)


def _fitted(table: str, inside: str, language: str) -> str:
    rows = [_CELL.findall(row) for row in _ROW.findall(inside)]
    heads = rows[0] if rows and all(tag == "th" for tag, *_ in rows[0]) else []
    plain = all(len(row) == len(heads) and not any(tag == "th" for tag, *_ in row) for row in rows[1:])
    if not heads or not rows[1:] or not plain or "span=" in inside or _BLOCK.search(inside):
        return table.replace("<table>", '<table class="loose">', 1)
    needed = sum(_needed([cell for *_, cell in column], language) for column in zip(*rows, strict=True))
    name = next((name for room, name in _ROOM if needed <= room), None)
    if name == "":
        return table
    labels = [html.escape(_text(cell), quote=False) for *_, cell in heads]
    if name is None:
        return "".join(_records(rows, labels))
    return f'<table class="{name}">{"".join(_labelled(inside, labels))}</table>'


def _needed(column: Sequence[str], language: str) -> float:
    texts = [_text(cell) for cell in column]
    broken = r"\s+|(?<=[-–/])" if is_spaced(language) else r"\s+|(?<=\W)|(?<=[^\x00-\x7f])"
    longest = max(cells(word) for text in texts for word in re.split(broken, text))
    whole = max(map(cells, texts)) * _PIXELS
    return max(longest * _PIXELS, min(whole / _LINES, _COMFORT)) + _CELL_PADDING


def _text(cell: str) -> str:
    return html.unescape(_TAG.sub("", cell.replace("<br>", " "))).strip(" \n")


def _labelled(inside: str, labels: Sequence[str]) -> Iterator[str]:
    """Yield the table's content with the label of its column before each cell, hidden until it is needed."""
    for number, row in enumerate(re.split(r"(?=<tr>)", inside)):  # the head is the second piece
        column = iter(labels)

        def labelled(found: re.Match[str], column: Iterator[str] = column, number: int = number) -> str:
            label = next(column)
            if found[1] == "th" or not label or (not found[3].strip() and number > 2):
                return found[0]
            return f'<td{found[2]}><span class="label">{label}: </span>{found[3]}</td>'

        yield _CELL.sub(labelled, row)


def _records(rows: Sequence[Sequence[tuple[str, str, str]]], labels: Sequence[str]) -> Iterator[str]:
    """Yield a paragraph for each row. The first one has the heads as written, with their links."""
    for number, row in enumerate(rows[1:]):
        named = [cell for *_, cell in rows[0]] if number == 0 else labels
        pairs = [(label, cell) for label, (*_, cell) in zip(named, row, strict=True) if cell.strip() or number == 0]
        lines = [f"<b>{label}:</b> {cell}" if label else cell for label, cell in pairs]
        yield f'<p class="record">{"<br>".join(lines)}</p>\n'
