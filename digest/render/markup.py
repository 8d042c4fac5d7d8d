"""Tokenizer of MJML and HTML with positions, and the check that no stage of rendering loses text or links.

It reads what our templates, sanitiser and renderers print, without limits of depth or size.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from digest.runtime.errors import ContentError

# Possessive quantifiers: an unclosed quotation mark must not make this slow.
_TOKEN = re.compile(
    r"<!--.*?-->|<![^>]*+>|<(?P<close>/?)(?P<name>[A-Za-z][\w:.-]*+)"
    r"(?P<rest>(?:\"[^\"]*+\"|'[^']*+'|[^<>\"'])*+)>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([^\s=/\"'>]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
# What is not shown, or shown as something else.
_NOT_TEXT = frozenset({"mj-attributes", "mj-style", "mj-title", "script", "style", "title"})


class Tag(NamedTuple):
    """A tag at `start`..`end` (character offsets); `rest` is the text between its name and `>`."""

    name: str
    rest: str
    closing: bool
    start: int
    end: int

    @property
    def void(self) -> bool:
        """Whether no closing tag follows."""
        return self.rest.endswith("/") or self.name in _VOID

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """Names and raw values in order; a repeated name is listed twice."""
        found = _ATTRIBUTE.finditer(self.rest.removesuffix("/"))
        return [(m[1], next((g for g in m.groups()[1:] if g is not None), "")) for m in found]


def tags(markup: str) -> Iterator[Tag]:
    """Yield the tags in order, without comments, even conditional ones."""
    for match in _TOKEN.finditer(markup):
        if match["name"] is not None:
            yield Tag(match["name"], match["rest"], bool(match["close"]), match.start(), match.end())


def position(markup: str, offset: int) -> tuple[int, int]:
    """Return line and column, both counted from 1."""
    return markup.count("\n", 0, offset) + 1, offset - (markup.rfind("\n", 0, offset) + 1) + 1


@dataclass(frozen=True, slots=True)
class VisibleMarkup:
    """Visible content of markup: `text` without white space, and how often each address is linked."""

    text: str
    links: Counter[str]


@lru_cache(maxsize=4)  # each stage's result is the next one's input, and the checks look at the last again
def shown(markup: str) -> VisibleMarkup:
    """Return the visible text and the links of MJML or HTML."""
    text: list[str] = []
    links: Counter[str] = Counter()
    hidden: str | None = None
    last = 0
    for match in _TOKEN.finditer(markup):
        start, end = match.span()
        if hidden is None and start > last:
            text.append(markup[last:start])
        last = end
        close, name, rest = match.groups()
        if name is None:
            continue
        if hidden is None and not close:
            if name in _NOT_TEXT and not rest.endswith("/"):
                hidden = name
            elif "href" in rest and name != "link":
                links.update(_links(rest))
        elif name == hidden and close:
            hidden = None
    text.append(markup[last:] if hidden is None else "")
    return VisibleMarkup("".join(html.unescape("".join(text)).split()), links)


@lru_cache(maxsize=4096)  # each stage prints the same links
def _links(rest: str) -> tuple[str, ...]:
    attributes = Tag("", rest, closing=False, start=0, end=0).attributes
    return tuple(_link(value) for key, value in attributes if key == "href" and value)


def _link(value: str) -> str:
    # premailer percent-encodes forbidden characters; that is no loss.
    return quote(html.unescape(value).strip(), safe="%/:=&?~#+!$,;'@()*[]")


def conserved(before: str, after: str, stage: str) -> None:
    """Raise ContentError, naming the place, where `stage` lost text or a link of `before`."""
    was, now = shown(before), shown(after)
    if was.text != now.text:
        raise ContentError(
            f"{stage} changed the text of the mail {_where(was.text, now.text)}.",
            hint="Check the markup there: deep nesting, or tags that are not closed.",
        )
    for lost in was.links - now.links:
        # A share button has the address within another one.
        if not any(lost in address for address in now.links):
            raise ContentError(f"{stage} lost the link to {lost}.", hint="Check the markup around that link.")


def _where(was: str, now: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
    return f"after “…{was[max(0, at - 30) : at]}”, where “{was[at : at + 30]}” became “{now[at : at + 30]}”"
