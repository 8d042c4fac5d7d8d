"""The bytes of a Markdown file to keys, values and lines. Values are judged by `intake`, not here. Pure.

Every plain scalar of the front matter is text: `lang: no` is Norwegian, not false. Anchors, aliases and tags of YAML
are refused: nothing that a writer needs, and the way in for bombs and objects.
"""

import re
from itertools import islice
from typing import Any

import yaml

from digest.articles.characters import clean, first_forbidden
from digest.articles.draft import RawEntry
from digest.articles.problems import Problem

MAX_BYTES = 2_000_000
"""Bytes in one Markdown file."""
MAX_FRONT_MATTER = 50_000
"""Characters in its front matter."""
_MAX_NESTING = 4  # images: [ {src: ...} ] needs three

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BORDER = re.compile(r"^-{3,}[ \t]*$", re.MULTILINE)
_NULLS = {"", "~", "null", "Null", "NULL"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class UnreadableError(Exception):
    """One problem that makes a whole file unreadable; readers turn it into that problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_markdown(content: bytes, path: str) -> RawEntry:
    """Return the front matter's values and `body`, with the lines of all of them. Raises UnreadableError."""
    if len(content) > MAX_BYTES:
        raise UnreadableError(too_large(path, len(content), MAX_BYTES))
    text = decode(content, path)
    if not text.strip():
        raise UnreadableError(
            Problem(path, None, "The file is empty.", "Write at least `title:` between two lines of ---.")
        )
    front, first, body = _split(text, path)
    values, lines = _read_yaml(front, path, first)
    if "body" in values:
        message = "The key body has no place in a Markdown file."
        raise UnreadableError(Problem(path, lines["body"], message, "Write the body below the closing line of ---."))
    stripped = re.sub(r"\A(?:[ \t]*\n)+", "", body)
    lines["body"] = text.count("\n") - stripped.count("\n") + 1
    return RawEntry(path=path, values={**values, "body": stripped.rstrip()}, lines=lines, line=first - 1)


def too_large(path: str, size: int, limit: int) -> Problem:
    """Return the problem with a file of too many bytes."""
    message = f"The file has {size:,} bytes; the limit is {limit:,}."
    return Problem(path, None, message, "Put long texts on a page of their own and link to it.")


def decode(content: bytes, path: str) -> str:
    """Return the text of a file that should be UTF-8, a byte order mark removed. Raises UnreadableError."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"The file is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start} cannot be read."
        encoding = "UTF-16" if content.startswith(_UTF16) else "another encoding, such as CP949 or Windows-1252"
        raise UnreadableError(Problem(path, line, message, f"It is in {encoding}; save it as UTF-8.")) from None
    text = text.removeprefix("\ufeff")
    forbidden = first_forbidden(text)
    if forbidden:
        line, name = forbidden
        message = f"The text holds the control character {name}."
        raise UnreadableError(Problem(path, line, message, "Delete it; mail cannot carry it."))
    return clean(text)


def _split(text: str, path: str) -> tuple[str, int, str]:
    """Return the front matter, its first line, and the body."""
    borders = list(islice(_BORDER.finditer(text), 2))
    if not borders or text[: borders[0].start()].strip():
        hint = "Begin the file with a line of ---, then title: ..., then --- again, then the text."
        raise UnreadableError(Problem(path, 1, "The file has no front matter.", hint))
    if len(borders) == 1:
        hint = "End the front matter with a line of ---."
        raise UnreadableError(Problem(path, 1, "The front matter is not closed.", hint))
    front, body = text[borders[0].end() + 1 : borders[1].start()], text[borders[1].end() + 1 :]
    if len(front) > MAX_FRONT_MATTER:
        message = f"The front matter has {len(front):,} characters; the limit is {MAX_FRONT_MATTER:,}."
        raise UnreadableError(Problem(path, 1, message, "Is the closing line of --- in the right place?"))
    return front, text.count("\n", 0, borders[0].end()) + 2, body


def _read_yaml(front: str, path: str, first_line: int) -> tuple[dict[str, Any], dict[str, int]]:
    builder = _Builder(path, first_line)
    try:
        for event in yaml.parse(front, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + mark.line if mark else first_line
        what = getattr(error, "problem", None) or "it cannot be read"
        hint = "Put values that hold a colon, # or quotes between quotation marks; indent with spaces."
        raise UnreadableError(Problem(path, line, f"The front matter is broken: {what}.", hint)) from None
    return builder.values(), builder.lines


class _Builder:
    """Builds values from YAML events, so that nothing is expanded or constructed before it is judged."""

    def __init__(self, path: str, first_line: int) -> None:
        self.lines: dict[str, int] = {}
        self._path = path
        self._first = first_line
        self._top: list[Any] = []
        # The open collections, outermost first: the collection, its place, and the key that waits for a value.
        self._open: list[tuple[Any, str, list[str]]] = []

    def values(self) -> dict[str, Any]:
        top = self._top[0] if self._top else {}
        if top is None:
            return {}
        if not isinstance(top, dict):
            self._refuse(self._first, "The front matter is not a list of `key: value` lines.")
        return dict(top)

    def take(self, event: Any) -> None:
        line = self._first + event.start_mark.line
        match event:
            case yaml.AliasEvent():
                self._refuse(line, f"The alias *{event.anchor} is not allowed.", "Write the value out.")
            case yaml.DocumentStartEvent() if self._top:
                self._refuse(line, "The front matter holds two documents.")
            case yaml.ScalarEvent() | yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._check(event, line)
                self._start(event, line)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._open.pop()

    def _check(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self._refuse(line, f"The anchor &{event.anchor} is not allowed.", "Write the value out where it is needed.")
        if event.tag is not None and event.tag != "!":
            self._refuse(
                line, f"The tag {event.tag} is not allowed.", "Write plain text; numbers and dates are understood."
            )
        if len(self._open) >= _MAX_NESTING:
            self._refuse(line, f"Values are nested more than {_MAX_NESTING} deep.")

    def _start(self, event: Any, line: int) -> None:
        if self._open and isinstance(self._open[-1][0], dict) and not self._open[-1][2]:
            self._take_key(event, line)
            return
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            # implicit[0]: a plain scalar, the only kind that can mean nothing.
            value = None if event.implicit[0] and event.value in _NULLS else event.value
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        place = self._attach(value)
        self.lines.setdefault(place, line)
        if not isinstance(event, yaml.ScalarEvent):
            self._open.append((value, place, []))

    def _take_key(self, event: Any, line: int) -> None:
        collection, place, waiting = self._open[-1]
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(line, "A key must be one word.")
        if event.value in collection:
            self._refuse(line, f"The key {event.value} is given twice.", "Keep one of them.")
        waiting.append(event.value)
        self.lines[_join(place, event.value)] = line

    def _attach(self, value: Any) -> str:
        if not self._open:
            self._top.append(value)
            return ""
        collection, place, waiting = self._open[-1]
        if isinstance(collection, dict):
            key = waiting.pop()
            collection[key] = value
            return _join(place, key)
        collection.append(value)
        return _join(place, str(len(collection) - 1))

    def _refuse(self, line: int, message: str, hint: str = "") -> None:
        raise UnreadableError(
            Problem(self._path, line, message, hint or "See the front matter of the sample articles.")
        )


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
