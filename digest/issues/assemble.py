"""Selection and order of an issue's articles, with the reason for each. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter

from digest.issues.period import Period

BY_HAND = "by hand"
DROPPED = f"dropped {BY_HAND}"
HELD = f"held for the next issue {BY_HAND}"
UNWEIGHTED = 1_000_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """An original article that may be chosen."""

    slug: str
    section: str | None
    starts_on: date | None
    pin: bool = False
    weight: int = 0


@dataclass(frozen=True, slots=True)
class SectionRule:
    """A section of the publication, and the most articles that an issue may have in it."""

    slug: str
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class ChosenArticle:
    """A chosen article and the reason. `place`, its index in the section, is set for an editor's choice only."""

    slug: str
    section: str
    reason: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An article that was not chosen, and the reason; `carried` by another issue, it cannot be added either."""

    slug: str
    reason: str
    carried: bool = False


@dataclass(frozen=True, slots=True)
class EarlierDecision:
    """What an editor of an earlier issue decided on an article: held for the next one, else dropped."""

    number: int
    held: bool

    @property
    def reason(self) -> str:
        """The reason that a later issue gives."""
        return f"held over from issue {self.number}" if self.held else f"{DROPPED} from issue {self.number}"


@dataclass(frozen=True, slots=True)
class Assembly:
    """Chosen articles in reading order, and those left out."""

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
    out: Mapping[str, str] | None = None,
    earlier: Mapping[str, EarlierDecision] | None = None,
) -> Assembly:
    """Return the articles of the issue for `period`.

    `carried` maps articles of other issues to their number: an article is published once. `kept` and `out`, with its
    reasons, are an editor's decisions; they win over every other rule. Those on an `earlier` issue win over the dates.
    Order: section, pinned first, by weight (lighter first, without one last), newer first, then by slug.
    """
    by_hand, out, earlier = {item.slug: item for item in kept}, out or {}, earlier or {}
    order, first = {rule.slug: place for place, rule in enumerate(sections)}, sections[0].slug
    chosen: list[ChosenArticle] = []
    left_out: list[LeftOut] = []
    for candidate in sorted(candidates, key=lambda c: _rank(c, order, first)):
        slug, section = candidate.slug, candidate.section or first
        verdict, reason = _verdict(candidate, period, carried, earlier.get(slug), first_issue=first_issue)
        by_editor = by_hand.get(slug)
        if by_editor and slug not in carried and by_editor.section in order:
            chosen.append(by_editor)
        elif slug in out:
            left_out.append(LeftOut(slug, out[slug], slug in carried))
        elif verdict and section in order:
            chosen.append(ChosenArticle(slug, section, reason))
        elif verdict:
            left_out.append(LeftOut(slug, f"the publication has no section {section!r}"))
        elif reason:
            left_out.append(LeftOut(slug, reason, slug in carried))
    return _capped(chosen, left_out, sections)


def _rank(candidate: Candidate, order: Mapping[str, int], first: str) -> tuple[int, bool, int, int, str]:
    newest_first = -(candidate.starts_on or date.max).toordinal()
    place = order.get(candidate.section or first, len(order))
    weight = candidate.weight or UNWEIGHTED
    return (place, not candidate.pin, weight, newest_first, candidate.slug)


def _verdict(
    candidate: Candidate,
    period: Period,
    carried: Mapping[str, int],
    earlier: EarlierDecision | None,
    *,
    first_issue: bool,
) -> tuple[bool, str]:
    """Return whether the rules choose the article, and why; the reason is empty for an article long past."""
    day = candidate.starts_on
    near = day is None or day in period or day in period.previous
    if candidate.slug in carried:
        return False, f"was in issue {carried[candidate.slug]}" if near else ""
    if earlier is not None:
        return earlier.held, earlier.reason if earlier.held or near else ""
    if day is None:
        return True, "undated: goes into the next issue assembled"
    if day in period:
        return True, f"dated {day.isoformat()}, in {period}"
    return _verdict_outside(day, period, first_issue=first_issue)


def _verdict_outside(day: date, period: Period, *, first_issue: bool) -> tuple[bool, str]:
    if day > period.last:
        return False, f"dated {day.isoformat()}, after {period}"
    if day not in period.previous:
        return False, f"dated {day.isoformat()}, more than one period before {period}"
    if first_issue:
        return False, f"dated {day.isoformat()}: the first issue takes no late articles"
    return True, f"late: dated {day.isoformat()} and in no issue yet"


def _capped(chosen: list[ChosenArticle], left_out: list[LeftOut], sections: Sequence[SectionRule]) -> Assembly:
    caps = {rule.slug: rule.cap for rule in sections}
    by_hand = sorted(((item.place, item) for item in chosen if item.place is not None), key=itemgetter(0))
    # An editor's choice may exceed the cap: the rule gives way, not the person.
    counted = Counter(item.section for _, item in by_hand)
    by_rule: list[ChosenArticle] = []
    for item in chosen:
        cap = caps.get(item.section)
        if item.place is None and cap is not None and counted[item.section] >= cap:
            left_out.append(LeftOut(item.slug, f"section {item.section!r} is full (cap {cap}); late next time"))
        elif item.place is None:
            counted[item.section] += 1
            by_rule.append(item)
    ordered: list[ChosenArticle] = []
    for rule in sections:
        here = [item for item in by_rule if item.section == rule.slug]
        for place, item in by_hand:
            if item.section == rule.slug:
                here.insert(place, item)
        ordered += here
    return Assembly(tuple(ordered), tuple(left_out))
