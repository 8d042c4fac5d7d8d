"""Linter for MJML by its schema, because mrml silently drops unknown elements and attributes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files

from digest.render.markup import Tag, position, tags
from digest.runtime.errors import ContentError

_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_UNQUOTED = re.compile(r"^(?:[^\"']|\"[^\"]*\"|'[^']*')*?=\s*[^\s\"']")


@dataclass(frozen=True, slots=True)
class Element:
    """An MJML element: its attributes with their types, its children, and whether its content is HTML (`ending`)."""

    attributes: Mapping[str, str]
    children: frozenset[str]
    ending: bool


def _load() -> dict[str, Element]:
    schema = json.loads(files("digest.render").joinpath("mjml_schema.json").read_text("utf-8"))
    return {
        name: Element(entry["attributes"], frozenset(entry["children"]), entry["ending"])
        for name, entry in schema["elements"].items()
    }


ELEMENTS: Mapping[str, Element] = _load()


MAX_WEIGHT = 50_000
"""So many elements of HTML, or a twentieth of components: seconds of work, and forty times what Gmail shows."""
_COMPONENT_WEIGHT = 20


class MjmlError(ContentError):
    """The MJML of a mail is wrong. `tag_index` counts its tags from 0, to find the template's line."""

    def __init__(self, message: str, tag_index: int | None, *, hint: str = "") -> None:
        super().__init__(message, hint=hint or "Correct the template; `digest preview` shows the mail as you edit.")
        self.tag_index = tag_index


def lint(mjml: str, *, max_depth: int) -> None:
    """Raise MjmlError for the first tag that is unknown, misplaced, not closed, too deep or one too many.

    Also for one with a bad attribute.
    """
    open_tags: list[str] = []
    ending, last, weight = "", 0, 0
    for index, tag in enumerate(tags(mjml)):
        loose = _between(mjml[last : tag.start], ending)
        if loose:
            raise _error(mjml, last, max(index - 1, 0), loose)
        last = tag.end
        if tag.closing:
            if not open_tags or open_tags.pop() != tag.name:
                raise _error(mjml, tag.start, index, f"</{tag.name}> closes an element that is not open")
            ending = "" if tag.name == ending else ending
            continue
        weight += 1 if ending else _COMPONENT_WEIGHT
        fault = _inside(tag, ending) if ending else _fault(tag.name, tag.rest, open_tags[-1] if open_tags else "")
        fault = "The mail has too many elements" if weight > MAX_WEIGHT else fault
        if fault:
            raise _error(mjml, tag.start, index, fault)
        if tag.void:
            continue
        open_tags.append(tag.name)
        if len(open_tags) > max_depth:
            raise _error(mjml, tag.start, index, f"<{tag.name}> is nested more than {max_depth} elements deep")
        if not ending and ELEMENTS[tag.name].ending:
            ending = tag.name
    if open_tags:
        raise MjmlError(f"<{open_tags[-1]}> is never closed in the mail's MJML.", None)


def _error(mjml: str, offset: int, index: int, fault: str) -> MjmlError:
    line, column = position(mjml, offset)
    return MjmlError(f"{fault} (line {line}, column {column} of the mail's MJML).", index)


def _between(gap: str, ending: str) -> str:
    """Return what is wrong between two tags, or nothing."""
    if gap.isspace() or (ending and "<" not in gap):
        return ""
    if any("--" in comment for comment in _COMMENT.findall(gap)):
        return "A comment contains `--`, where the MJML renderer stops reading"
    text = _COMMENT.sub("", gap).strip()
    if "<" in text:
        return "A `<` does not start a tag; write &lt;"
    return f"The text “{text[:40]}” is outside of every element that shows text" if text and not ending else ""


def _inside(tag: Tag, ending: str) -> str:
    """Return what is wrong with a tag of HTML, or nothing."""
    if tag.name.startswith("mj-"):
        return f"<{tag.name}> is not allowed inside <{ending}>, which contains HTML"
    return f"<{tag.name}> has an attribute without quotation marks" if _UNQUOTED.search(tag.rest) else ""


@lru_cache(maxsize=4096)  # templates print the same tags many times
def _fault(name: str, rest: str, parent: str) -> str:
    """Return what is wrong with an opening tag below `parent`, or nothing."""
    element = ELEMENTS.get(name)
    if element is None:
        return f"MJML has no element <{name}>{_nearest(name, ELEMENTS)}"
    if not parent and name != "mjml":
        return f"<{name}> is outside <mjml>"
    if parent and not {name, "*"} & ELEMENTS[parent].children:
        return f"<{name}> is not allowed in <{parent}>"
    return _attribute_fault(Tag(name, rest, closing=False, start=0, end=0), element)


def _attribute_fault(tag: Tag, element: Element) -> str:
    names = [name for name, _ in tag.attributes]
    for name, value in tag.attributes:
        if names.count(name) > 1:
            return f"<{tag.name}> has the attribute {name} twice"
        allowed = element.attributes.get(name) or element.attributes.get("*")
        if allowed is None:
            return f"<{tag.name}> has no attribute {name}{_nearest(name, element.attributes)}"
        if not _fits(value, allowed):
            return f"<{tag.name}> cannot have {name}={value!r}: allowed is {allowed}"
    return ""


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _fits(value: str, kind: str) -> bool:
    base, _, inside = kind.partition("(")
    options = inside.partition(")")[0].split(",")
    match base:
        case "enum":
            return value in options
        case "boolean":
            return value in {"true", "false"}
        case "integer":
            return value.isdecimal()
        case "unit" | "unitWithNegative":
            return all(_is_length(part, options) for part in value.split())
        case "color":
            # Some mail apps show three digits as another colour.
            return not re.fullmatch(r"#[0-9a-fA-F]*", value) or len(value) == 7
    return True


def _is_length(value: str, units: list[str]) -> bool:
    if value in units or value == "0":
        return True
    found = re.fullmatch(r"-?\d+(?:\.\d+)?([a-z%]*)", value)
    return found is not None and found[1] in units
