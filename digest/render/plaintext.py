"""Sanitised HTML bodies to plain text, wrapped by display width. Pure.

It keeps every word of the body and every address that leads outside of the mail.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unicodedata import category, east_asian_width

from lxml import html as lxml_html

WIDTH = 72
"""Cells in a line: under the 78 of RFC 5322 section 2.1.1, with room for a reply's quotation marks."""

_BLOCKS = frozenset("blockquote dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre table ul".split())  # noqa: SIM905 - a list of tags reads best as one line
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_FOOTNOTE = re.compile(r"\[(\d+)\]")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SELF_EVIDENT = ("http://", "mailto:")
"""What may stand before the words of a link that are its address; the plain text has the words alone."""
_COLUMN_GAP = " | "


def cells(text: str) -> int:
    """Return the display width: 2 for Hangul, Han, Kana and full-width forms, 0 for combining marks."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(c) in "WF" else 0 if category(c) in {"Mn", "Me", "Cf"} else 1 for c in text)


def wrap(text: str, width: int = WIDTH, indent: str = "", first: str | None = None) -> str:
    """Wrap text to lines of at most `width` cells, each after `indent`, the first after `first` if given.

    Newlines stay. Addresses and other long words are not broken, so that they can be copied, unless they have wide
    characters.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += _wrapped(paragraph, max(width - cells(indent), 10)) or [""]
    prefixes = [indent if first is None else first, *[indent] * (len(lines) - 1)]
    return "\n".join((prefix + line).rstrip(" ") for prefix, line in zip(prefixes, lines, strict=True))


def _wrapped(text: str, room: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for word in _words(text, room):
        size = cells(word)
        if line and used + 1 + size > room:
            lines.append(line)
            line, used = word, size
        else:
            line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    return [*lines, line] if line else lines


def _words(text: str, room: int) -> Iterator[str]:
    for word in text.split(" "):
        if cells(word) <= room or "://" in word or word.isascii():
            if word:
                yield word
            continue
        piece, used = "", 0
        for character in word:
            size = cells(character)
            if used + size > room:
                yield piece
                piece, used = "", 0
            piece, used = piece + character, used + size
        yield piece


def plain_body(html: str, width: int = WIDTH, picture: str = "%s") -> str:
    """Return a sanitised HTML fragment as text, with numbered addresses that are listed at the end.

    `picture` is put around the alt of a picture.
    """
    if not html.strip():
        return ""
    root = lxml_html.fragment_fromstring(html, create_parent="div")
    notes = [int(n) for n in _FOOTNOTE.findall(" ".join(root.xpath("//a[starts-with(@href, '#')]/text()")))]
    # Footnotes are printed as [1] too, so that links count on from there.
    walker = _Walker(_Links(first=max(notes, default=0) + 1), picture)
    lines = walker.blocks(root, width)
    if walker.links.numbers:
        lines += ["", *(f"[{number}] {address}" for address, number in walker.links.numbers.items())]
    return "\n".join(line.rstrip(" ") for line in lines)


def first_paragraph(html: str) -> str:
    """Return the words of a body's first paragraph that has any, without its notes' numbers; empty without one."""
    root = lxml_html.fragment_fromstring(html, create_parent="div")
    for reference in root.xpath(".//sup[a]"):
        reference.drop_tree()
    for line_break in root.iter("br"):
        line_break.tail = f" {line_break.tail or ''}"
    for power in root.iter("sup"):
        power.text = (power.text or "").translate(_SUPERSCRIPT)
    return next((words for words in (" ".join(p.text_content().split()) for p in root.iterfind("p")) if words), "")


@dataclass(slots=True)
class _Links:
    """Numbered addresses of a body."""

    first: int
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, address: str) -> int:
        return self.numbers.setdefault(address, self.first + len(self.numbers))


@dataclass(frozen=True, slots=True)
class _Walker:
    links: _Links
    picture: str = "%s"

    def blocks(self, element: Any, width: int) -> list[str]:
        """Return the lines of an element's content, a blank line between its blocks."""
        groups: list[list[str]] = []
        run = element.text or ""
        for child in element:
            if child.tag in _BLOCKS:
                groups += [self._paragraph(run, width), self._block(child, width)]
                run = child.tail or ""
            else:
                run += self._inline(child) + (child.tail or "")
        groups.append(self._paragraph(run, width))
        tight = element.tag == "li"
        lines: list[str] = []
        for group in groups:
            if group:
                lines += ["", *group] if lines and not tight else group
        return lines

    def _paragraph(self, text: str, width: int) -> list[str]:
        text = _tidy(text)
        return wrap(text, width).split("\n") if text else []

    def _block(self, element: Any, width: int) -> list[str]:
        special = {"ul": self._list, "ol": self._list, "table": self._table, "dl": self._definitions}.get(element.tag)
        if special is not None and _is_regular(element):
            return special(element, width)
        match element.tag:
            case "blockquote":
                return [f"> {line}" for line in self.blocks(element, width - 2)]
            case "pre":
                return [f"    {line}" for line in "".join(element.itertext()).strip("\n").split("\n")]
            case "hr":
                return ["* * *"]
        lines = self.blocks(element, width)
        if element.tag in _HEADINGS and lines:
            lines.append("-" * max(map(cells, lines)))
        elif "footnotes" in (element.get("class") or "").split():
            lines.insert(0, "---")
        return lines

    def _list(self, element: Any, width: int) -> list[str]:
        lines: list[str] = []
        number = int(element.get("start") or 1)
        for item in element.iterchildren("li"):
            mark = f"{number}. " if element.tag == "ol" else "" if item.get("class") == "own" else "- "
            indent = " " * (len(mark) or 2)
            inner = self.blocks(item, width - len(indent)) or [""]
            lines += [mark + inner[0], *(indent + line for line in inner[1:])]
            number += 1
        return lines

    def _definitions(self, element: Any, width: int) -> list[str]:
        lines: list[str] = []
        for child in element.iterchildren("dt", "dd"):
            if child.tag == "dt":
                lines += ["", *self.blocks(child, width)] if lines else self.blocks(child, width)
            else:
                lines += [f"    {line}" for line in self.blocks(child, width - 4)]
        return lines

    def _table(self, element: Any, width: int) -> list[str]:
        rows = [[self._cell(cell) for cell in row.iterchildren("th", "td")] for row in element.iter("tr")]
        rows = [row for row in rows if row]
        if not rows:
            return []
        columns = max(map(len, rows))
        rows = [row + [""] * (columns - len(row)) for row in rows]
        sizes = [max(cells(row[i]) for row in rows) for i in range(columns)]
        has_head = element.find(".//th") is not None
        if sum(sizes) + len(_COLUMN_GAP) * (columns - 1) <= width:
            return _grid(rows, sizes, has_head=has_head)
        return _records(rows, width, has_head=has_head)

    def _cell(self, cell: Any) -> str:
        return _tidy((cell.text or "") + "".join(self._inline(c) + (c.tail or "") for c in cell)).replace("\n", " ")

    def _inline(self, element: Any) -> str:
        if not isinstance(element.tag, str) or element.get("class") == "label":  # of a cell, for small screens
            return ""
        if element.tag in {"br", "img"}:
            return "\v" if element.tag == "br" else f"[{self.picture % element.get('alt')}]\v"
        inner = (element.text or "") + "".join(self._inline(c) + (c.tail or "") for c in element)
        if element.tag == "sup" and inner.isdecimal():  # 10⁶ must not become 106
            return inner.translate(_SUPERSCRIPT)
        address = (element.get("href") or "").strip() if element.tag == "a" else ""
        if not address or address.startswith("#") or address in {start + _tidy(inner) for start in ("", *SELF_EVIDENT)}:
            # Mail apps would take a particle that follows for a part of the address.
            apart = " " if address and address[0] != "#" and (element.tail or " ")[0].isalpha() else ""
            return inner + apart
        title = f" ({element.get('title')})" if element.get("title") else ""
        return f"{inner}{title} [{self.links.number(address)}]"


def _is_regular(element: Any) -> bool:
    """Return whether a list holds its items only; HTML of authors may nest other tags between them."""
    items = {"ul": {"li"}, "ol": {"li"}, "dl": {"dt", "dd"}}.get(element.tag)
    loose = (element.text, *(child.tail for child in element))
    return items is None or (
        {child.tag for child in element} <= items and not any(text and text.strip() for text in loose)
    )


def _tidy(text: str) -> str:
    """Collapse white space; a hard break, carried as a vertical tab until here, becomes a newline."""
    return "\n".join(line.strip(" ") for line in _BLANKS.sub(" ", text).strip(" \v").split("\v"))


def _grid(rows: Sequence[Sequence[str]], sizes: Sequence[int], *, has_head: bool) -> list[str]:
    lines = [
        _COLUMN_GAP.join(cell + " " * (size - cells(cell)) for cell, size in zip(row, sizes, strict=True))
        for row in rows
    ]
    if has_head:
        lines.insert(1, "-+-".join("-" * size for size in sizes))
    return lines


def _records(rows: Sequence[Sequence[str]], width: int, *, has_head: bool) -> list[str]:
    """Format a wide table: each row as a block, each cell after its column's header."""
    heads, body = (rows[0], rows[1:]) if has_head else ([""] * len(rows[0]), rows)
    lines: list[str] = []
    for number, row in enumerate(body or [heads]):
        # The first record has all heads, even of empty cells: none may be lost.
        pairs = [(head, cell) for head, cell in zip(heads, row, strict=True) if cell or (head and number == 0)]
        block = [
            wrap(f"{head}: {cell}" if head and body else cell, width, indent="  ", first="- " if index == 0 else "  ")
            for index, (head, cell) in enumerate(pairs)
        ]
        lines += ["", *block] if lines else block
    return "\n".join(lines).split("\n")
