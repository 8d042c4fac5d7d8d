"""Frames of editions: what stands around their articles, learned from a rendered edition with a stub. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from digest.articles.characters import without_forbidden
from digest.render.checks.fragments import NotComposableError
from digest.render.fragments import (
    HtmlFragment,
    LocalFinding,
    TextFragment,
    as_json,
    findings_as_json,
    findings_from_json,
)
from digest.render.marks import Cutting
from digest.render.markup import tags
from digest.render.samples import FRAME_STUBS, Tokens

_ATTRIBUTE = re.compile(r'"([^"]*)"')

FragmentT = TypeVar("FragmentT", HtmlFragment, TextFragment)


@dataclass(frozen=True, slots=True)
class Region:
    """A place of a frame that an edition fills: `lead`, `contents`, `sections` or `left_out`, and which parts it has.

    `lead`: whether it shows the edition's first article. `most`: how many of the others; None for all.
    """

    name: str
    parts: frozenset[str]
    lead: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Frame(Generic[FragmentT]):
    """Fragments and regions in the order of the theme; `head` is what stands before the HTML's body."""

    layout: tuple[FragmentT | Region, ...]
    head: str = ""
    findings: tuple[LocalFinding, ...] = ()

    @property
    def regions(self) -> list[Region]:
        return [one for one in self.layout if isinstance(one, Region)]

    @property
    def fragments(self) -> list[FragmentT]:
        return [one for one in self.layout if not isinstance(one, Region)]


@dataclass(frozen=True, slots=True)
class FilledFrame:
    """Both frames of editions with one subject and preheader, and the findings on them."""

    html: Frame[HtmlFragment]
    text: Frame[TextFragment]
    plain: str
    longest: int
    findings: tuple[LocalFinding, ...]
    slots: frozenset[str]
    text_slots: frozenset[str]


def layout_of(cuttings: Sequence[Cutting], fragments: Sequence[FragmentT], stub: str) -> tuple[FragmentT | Region, ...]:
    """Return the order of fragments and regions in a rendered frame."""
    made: list[FragmentT | Region] = []
    passed = 0
    for cutting, fragment in zip(cuttings, fragments, strict=True):
        if not cutting.region:
            if stub in cutting.content:
                raise NotComposableError("an article stands outside of its marks")
            made.append(fragment)
        elif made and isinstance(last := made[-1], Region) and last.name == cutting.region:
            passed += cutting.part == "article" and cutting.key != stub
            made[-1] = _grown(last, cutting, stub, passed)
        else:
            passed = int(cutting.part == "article" and cutting.key != stub)
            made.append(_grown(Region(cutting.region, frozenset()), cutting, stub, passed))
    if not any(isinstance(one, Region) and one.name == "sections" for one in made):
        raise NotComposableError("no article has its mark")
    return tuple(made)


def _grown(region: Region, cutting: Cutting, stub: str, passed: int) -> Region:
    """Return a region with one more fragment, `passed` stubs other than the lead's having stood in it."""
    lead = region.lead or (cutting.part == "article" and cutting.key == stub)
    most = None if passed == FRAME_STUBS else passed
    return Region(region.name, region.parts | {cutting.part}, lead, most)


def filled(frame: Frame[HtmlFragment], tokens: Tokens, subject: str, preheader: str, more: str) -> Frame[HtmlFragment]:
    """Return the frame with subject, preheader and number of unlisted articles in the place of their tokens."""
    texts = {tokens.subject: subject, tokens.preheader: preheader, tokens.more: more}
    values = {token: without_forbidden(text) for token, text in texts.items()}
    layout = tuple(one if isinstance(one, Region) else _filled_fragment(one, values) for one in frame.layout)
    return replace(frame, layout=layout, findings=tuple(_filled_finding(one, values) for one in frame.findings))


def _filled_fragment(fragment: HtmlFragment, values: dict[str, str]) -> HtmlFragment:
    content = "".join(fragment.pieces)
    if not any(token in content for token in values):
        return fragment
    made, last = [], 0
    for tag in tags(content):
        made += [_put(content[last : tag.start], values, quoted=False), _put(content[tag.start : tag.end], values)]
        last = tag.end
    made.append(_put(content[last:], values, quoted=False))
    text = "".join(made)
    more = len(text.encode()) - fragment.size
    return replace(
        fragment,
        pieces=(text,),
        size=fragment.size + more,
        longest=fragment.longest + more,
        headings=tuple((rank, _replaced(words, values)) for rank, words in fragment.headings),
        findings=tuple(_filled_finding(one, values) for one in fragment.findings),
    )


def _put(markup: str, values: dict[str, str], *, quoted: bool = True) -> str:
    if not any(token in markup for token in values):
        return markup
    if quoted:
        return _ATTRIBUTE.sub(lambda found: _attribute(_escaped(found[1], values)), markup)
    return _escaped(markup, values)


def _escaped(markup: str, values: dict[str, str]) -> str:
    for token, value in values.items():
        markup = markup.replace(token, value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return markup


def _attribute(value: str) -> str:
    """Quote a value as libxml2 does."""
    if '"' in value and "'" not in value:
        return f"'{value}'"
    return '"' + value.replace('"', "&quot;") + '"'


def _replaced(text: str, values: dict[str, str]) -> str:
    for token, value in values.items():
        text = text.replace(token, value)
    return text


def _filled_finding(one: LocalFinding, values: dict[str, str]) -> LocalFinding:
    found = one.finding
    where, message = _replaced(found.where, values), _replaced(found.message, values)
    return one._replace(finding=replace(found, where=where, message=message))


def frame_as_json(frame: Frame[Any]) -> list[Any]:
    """Return a frame as JSON values."""
    layout = [
        [one.name, sorted(one.parts), one.lead, one.most] if isinstance(one, Region) else as_json(one)
        for one in frame.layout
    ]
    return [layout, frame.head, findings_as_json(frame.findings)]


def frame_from_json(values: list[Any], fragment: Callable[[list[Any]], FragmentT]) -> Frame[FragmentT]:
    """Return a stored frame. Raises TypeError or ValueError if it is none."""
    layout, head, findings = values
    made = (Region(one[0], frozenset(one[1]), *one[2:]) if isinstance(one[0], str) else fragment(one) for one in layout)
    return Frame(tuple(made), head, findings_from_json(findings))
