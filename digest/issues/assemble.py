"""Choose and order an issue's articles, and say why for each. Pure: values in, values out. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from digest.issues.period import Period

BY_HAND = "by hand"
UNWEIGHTED = 1_000_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """An original article, as far as choosing needs it."""

    slug: str
    section: str | None
    starts_on: date | None
    pin: bool = False
    weight: int = 0


@dataclass(frozen=True, slots=True)
class SectionRule:
    """A section of the publication: its slug and how many articles an issue may have in it."""

    slug: str
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class ChosenArticle:
    """An article that is in, where, and why. `place` is set for an editor's choice: its index within the section."""

    slug: str
    section: str
    reason: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An article that is not in, and why."""

    slug: str
    reason: str


@dataclass(frozen=True, slots=True)
class Assembly:
    """The result: articles in reading order, and those left out."""

    chosen: tuple[ChosenArticle, ...]
    left_out: tuple[LeftOut, ...]


def assemble(
    candidates: Iterable[Candidate],
    period: Period,
    sections: Sequence[SectionRule],
    *,
    carried: Mapping[str, int],
    first_issue: bool,
    kept: Sequence[ChosenArticle] = (),
    dropped: Iterable[str] = (),
) -> Assembly:
    """Return what the issue for `period` publishes.

    `carried` maps articles that another issue published to its number: once published, never again. `kept` and
    `dropped` are an editor's decisions about this issue; they win over every rule but that one.
    Order: section, pinned first, by weight (lighter first, articles without one last), newer first, then by slug.
    """
    by_hand = {item.slug: item for item in kept}
    out_by_hand = set(dropped)
    order, first = {rule.slug: place for place, rule in enumerate(sections)}, sections[0].slug
    chosen: list[ChosenArticle] = []
    left_out: list[LeftOut] = []
    for candidate in sorted(candidates, key=lambda c: _rank(c, order, first)):
        slug, section = candidate.slug, candidate.section or first
        verdict, reason = _verdict(candidate, period, carried, first_issue=first_issue)
        by_editor = by_hand.get(slug)
        if by_editor and slug not in carried and by_editor.section in order:
            chosen.append(by_editor)
        elif slug in out_by_hand:
            left_out.append(LeftOut(slug, f"dropped {BY_HAND}"))
        elif verdict and section in order:
            chosen.append(ChosenArticle(slug, section, reason))
        elif verdict:
            left_out.append(LeftOut(slug, f"the publication has no section {section!r}"))
        elif reason:
            left_out.append(LeftOut(slug, reason))
    return _capped(chosen, left_out, sections)


def _rank(candidate: Candidate, order: Mapping[str, int], first: str) -> tuple[int, bool, int, int, str]:
    newest_first = -(candidate.starts_on or date.max).toordinal()
    place = order.get(candidate.section or first, len(order))
    weight = candidate.weight or UNWEIGHTED
    return (place, not candidate.pin, weight, newest_first, candidate.slug)


def _verdict(
    candidate: Candidate, period: Period, carried: Mapping[str, int], *, first_issue: bool
) -> tuple[bool, str]:
    """Return whether the rules take the article, and why. An empty reason: long past, not worth a line."""
    day = candidate.starts_on
    if candidate.slug in carried:
        near = day is None or day in period or day in period.previous
        return False, f"was in issue {carried[candidate.slug]}" if near else ""
    if day is None:
        return True, "undated: goes into the next issue assembled"
    if day in period:
        return True, f"dated {day.isoformat()}, in {period}"
    return _verdict_on_late(day, period, first_issue=first_issue)


def _verdict_on_late(day: date, period: Period, *, first_issue: bool) -> tuple[bool, str]:
    if day > period.last:
        return False, f"dated {day.isoformat()}, after {period}"
    if day not in period.previous:
        return False, f"dated {day.isoformat()}, more than one period before {period}"
    if first_issue:
        return False, f"dated {day.isoformat()}: the first issue takes no late articles"
    return True, f"late: dated {day.isoformat()} and in no issue yet"


def _capped(chosen: list[ChosenArticle], left_out: list[LeftOut], sections: Sequence[SectionRule]) -> Assembly:
    caps = {rule.slug: rule.cap for rule in sections}
    # An editor's own choice does not count as overflow: the rule gives way, not the person.
    counted = Counter(item.section for item in chosen if item.place is not None)
    by_rule: list[ChosenArticle] = []
    for item in chosen:
        cap = caps.get(item.section)
        if item.place is not None:
            continue
        if cap is not None and counted[item.section] >= cap:
            left_out.append(LeftOut(item.slug, f"section {item.section!r} is full (cap {cap}); late next time"))
            continue
        counted[item.section] += 1
        by_rule.append(item)
    ordered: list[ChosenArticle] = []
    for rule in sections:
        here = [item for item in by_rule if item.section == rule.slug]
        for item in sorted((c for c in chosen if c.place is not None and c.section == rule.slug), key=_place):
            here.insert(_place(item), item)
        ordered += here
    return Assembly(tuple(ordered), tuple(left_out))


def _place(item: ChosenArticle) -> int:
    return item.place or 0
