"""Parser of Markdown files with YAML front matter into keys, values and lines. Pure.

All plain scalars are text: `lang: no` is Norwegian, not false. Anchors, aliases and tags of YAML are refused, as a way
in for bombs and objects. `intake` validates values.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

import yaml

from digest.articles.characters import clean, first_forbidden
from digest.articles.draft import RawEntry
from digest.articles.problems import Problem
from subscribers.text_files import likely_encoding

MAX_BYTES = 2_000_000
"""Bytes in one Markdown file."""
MAX_FRONT_MATTER = 50_000
"""Characters in its front matter."""
_MAX_NESTING = 4  # images: [ {src: ...} ] needs three

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BORDER = re.compile(r"^-{3,}[ \t]*$", re.MULTILINE)
_NULL = "tag:yaml.org,2002:null"  # what the resolver makes of a plain ~, null or nothing


class UnreadableError(Exception):
    """A problem that makes a whole file unreadable; its body, which may have faults of its own, where one was found."""

    def __init__(self, problem: Problem, body: str = "", body_line: int = 1) -> None:
        super().__init__(str(problem))
        self.problem, self.body, self.body_line = problem, body, body_line


def read_markdown(content: bytes, path: str) -> RawEntry:
    """Return the front matter's values and `body`, with the lines of all of them. Raises UnreadableError."""
    if len(content) > MAX_BYTES:
        raise UnreadableError(too_large(path, len(content), MAX_BYTES))
    text = decode(content, path)
    if not text.strip():
        hint = "Write at least `title:` between two lines that contain only ---."
        raise UnreadableError(Problem(path, None, "The file is empty.", hint))
    front, first, body = _split(text, path)
    stripped = re.sub(r"\A(?:[ \t]*\n)+", "", body)
    body_line = text.count("\n") - stripped.count("\n") + 1
    try:
        values, lines = _read_yaml(front, path, first)
        if "body" in values:
            message, hint = (
                "The key body is not allowed in a Markdown file.",
                "Write the text below the closing line of ---.",
            )
            raise UnreadableError(Problem(path, lines["body"], message, hint))
    except UnreadableError as error:
        raise UnreadableError(error.problem, stripped, body_line) from None
    lines["body"] = body_line
    return RawEntry(path=path, values={**values, "body": stripped.rstrip()}, lines=lines, line=first - 1)


def too_large(path: str, size: int, limit: int) -> Problem:
    """Return the problem with a file that is too large."""
    message = f"The file has {size:,} bytes; the limit is {limit:,}."
    return Problem(path, None, message, "Publish long texts on a web page and link to it.")


def decode(content: bytes, path: str) -> str:
    """Decode a file as UTF-8, without a byte order mark. Raises UnreadableError."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"The file is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start} cannot be read."
        likely, called = likely_encoding(content[: content.find(b"\n", MAX_FRONT_MATTER) + 1] or content)
        hint = f"It is probably {called}: add --encoding {likely}, or" if likely else "Specify its --encoding, or"
        raise UnreadableError(Problem(path, line, message, f"{hint} save it as UTF-8.")) from None
    text = text.removeprefix("\ufeff")
    forbidden = first_forbidden(text)
    if forbidden:
        line, name = forbidden
        message = f"The text contains the control character {name}."
        raise UnreadableError(Problem(path, line, message, "Delete it; mail cannot transmit it."))
    return clean(text)


def _split(text: str, path: str) -> tuple[str, int, str]:
    """Return the front matter, its first line, and the body."""
    borders = list(islice(_BORDER.finditer(text), 2))
    if not borders or text[: borders[0].start()].strip():
        hint = "Start the file with a line of ---, then title: ..., then --- again, then the text."
        raise UnreadableError(Problem(path, 1, "The file has no front matter.", hint))
    if len(borders) == 1:
        hint = "End the front matter with a line of ---."
        raise UnreadableError(Problem(path, 1, "The front matter has no closing line.", hint))
    front, body = text[borders[0].end() + 1 : borders[1].start()], text[borders[1].end() + 1 :]
    if len(front) > MAX_FRONT_MATTER:
        message = f"The front matter has {len(front):,} characters; the limit is {MAX_FRONT_MATTER:,}."
        raise UnreadableError(Problem(path, 1, message, "Check that the closing line of --- is in the right place."))
    return front, text.count("\n", 0, borders[0].end()) + 2, body


def _read_yaml(front: str, path: str, first_line: int) -> tuple[dict[str, Any], dict[str, int]]:
    lines: dict[str, int] = {}
    try:
        _judge(yaml.parse(front, Loader=_LOADER))
        root = yaml.compose(front, Loader=_LOADER)
        values = None if root is None else _value(root, "", lines)
        if not isinstance(values, dict | None):
            raise _RefusedError(0, "The front matter is not a list of `key: value` lines.")
    except _RefusedError as error:
        raise UnreadableError(Problem(path, first_line + error.line, error.message, error.hint)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = first_line + mark.line if mark else first_line
        what = getattr(error, "problem", None) or "it cannot be read"
        hint = "Put values that contain a colon, # or quotes between quotation marks; indent with spaces."
        raise UnreadableError(Problem(path, line, f"The front matter is malformed: {what}.", hint)) from None
    return values or {}, {place: first_line + line for place, line in lines.items()}


class _RefusedError(Exception):
    """Valid YAML that is refused in front matter; `line` counts from 0."""

    def __init__(self, line: int, message: str, hint: str = "See the sample articles for examples.") -> None:
        super().__init__(message)
        self.line, self.message, self.hint = line, message, hint


def _judge(events: Iterable[Any]) -> None:
    """Refuse aliases, anchors, tags, deep nesting and a second document, before any node is composed."""
    depth = documents = 0
    for event in events:
        line = event.start_mark.line
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(line, f"The alias *{event.anchor} is not allowed.", "Write the value itself instead.")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _RefusedError(line, "The front matter contains two documents.")
        elif isinstance(event, yaml.NodeEvent):
            _judge_node(event, line, depth)
            depth += isinstance(event, yaml.CollectionStartEvent)


def _judge_node(event: Any, line: int, depth: int) -> None:
    if event.anchor is not None:
        hint = "Write the value itself wherever it is needed."
        raise _RefusedError(line, f"The anchor &{event.anchor} is not allowed.", hint)
    if event.tag is not None and event.tag != "!":
        hint = "Write plain text; numbers and dates are recognized."
        raise _RefusedError(line, f"The tag {event.tag} is not allowed.", hint)
    if depth >= _MAX_NESTING:
        raise _RefusedError(line, f"Values are nested more than {_MAX_NESTING} deep.")


def _value(node: Any, place: str, lines: dict[str, int]) -> Any:
    """Return the texts, lists and mappings below a node; `lines` gets the line of each, by its place."""
    lines.setdefault(place, node.start_mark.line)
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag == _NULL else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, _join(place, str(index)), lines) for index, item in enumerate(node.value)]
    values: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _RefusedError(key.start_mark.line, "A key must be one word.")
        if key.value in values:
            raise _RefusedError(
                key.start_mark.line, f"The key {key.value} occurs twice.", "Keep one and delete the other."
            )
        inner = _join(place, key.value)
        lines[inner] = key.start_mark.line
        values[key.value] = _value(value, inner, lines)
    return values


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
