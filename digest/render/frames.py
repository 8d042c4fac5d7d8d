"""Frames of editions: what stands around their articles, learned from a rendered edition with a stub. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from digest.articles.characters import without_forbidden
from digest.render.checks.segments import NotComposableError
from digest.render.marks import Cutting
from digest.render.markup import tags
from digest.render.samples import Tokens
from digest.render.segments import HtmlSegment, LocalFinding, TextSegment, as_json, findings_as_json, findings_from_json

_ATTRIBUTE = re.compile(r'"([^"]*)"')

SegmentT = TypeVar("SegmentT", HtmlSegment, TextSegment)


@dataclass(frozen=True, slots=True)
class Region:
    """A place of a frame that an edition fills: `contents`, `sections` or `left_out`, and which parts it has."""

    name: str
    parts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Frame(Generic[SegmentT]):
    """Segments and regions in the order of the theme; `head` is what stands before the HTML's body."""

    layout: tuple[SegmentT | Region, ...]
    head: str = ""
    findings: tuple[LocalFinding, ...] = ()

    @property
    def regions(self) -> list[Region]:
        return [one for one in self.layout if isinstance(one, Region)]

    @property
    def segments(self) -> list[SegmentT]:
        return [one for one in self.layout if not isinstance(one, Region)]


def layout_of(cuttings: Sequence[Cutting], segments: Sequence[SegmentT], stub: str) -> tuple[SegmentT | Region, ...]:
    """Return the order of segments and regions in a rendered frame."""
    made: list[SegmentT | Region] = []
    for cutting, segment in zip(cuttings, segments, strict=True):
        if not cutting.region:
            if stub in cutting.content:
                raise NotComposableError("an article stands outside of its marks")
            made.append(segment)
        elif made and isinstance(last := made[-1], Region) and last.name == cutting.region:
            made[-1] = replace(last, parts=last.parts | {cutting.part})
        else:
            made.append(Region(cutting.region, frozenset({cutting.part})))
    if not any(isinstance(one, Region) and one.name == "sections" for one in made):
        raise NotComposableError("no article has its mark")
    return tuple(made)


def filled(frame: Frame[HtmlSegment], tokens: Tokens, subject: str, preheader: str) -> Frame[HtmlSegment]:
    """Return the frame with subject and preheader in the place of their tokens."""
    values = {tokens.subject: without_forbidden(subject), tokens.preheader: without_forbidden(preheader)}
    layout = tuple(one if isinstance(one, Region) else _filled_segment(one, values) for one in frame.layout)
    return replace(frame, layout=layout, findings=tuple(_filled_finding(one, values) for one in frame.findings))


def _filled_segment(segment: HtmlSegment, values: dict[str, str]) -> HtmlSegment:
    content = "".join(segment.pieces)
    if not any(token in content for token in values):
        return segment
    made, last = [], 0
    for tag in tags(content):
        made += [_put(content[last : tag.start], values, quoted=False), _put(content[tag.start : tag.end], values)]
        last = tag.end
    made.append(_put(content[last:], values, quoted=False))
    text = "".join(made)
    more = len(text.encode()) - segment.size
    return replace(
        segment,
        pieces=(text,),
        size=segment.size + more,
        longest=segment.longest + more,
        headings=tuple((rank, _replaced(words, values)) for rank, words in segment.headings),
        findings=tuple(_filled_finding(one, values) for one in segment.findings),
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
    layout = [[one.name, sorted(one.parts)] if isinstance(one, Region) else as_json(one) for one in frame.layout]
    return [layout, frame.head, findings_as_json(frame.findings)]


def frame_from_json(values: list[Any], segment: Callable[[list[Any]], SegmentT]) -> Frame[SegmentT]:
    """Return a stored frame. Raises TypeError or ValueError if it is none."""
    layout, head, findings = values
    made = (Region(one[0], frozenset(one[1])) if isinstance(one[0], str) else segment(one) for one in layout)
    return Frame(tuple(made), head, findings_from_json(findings))
