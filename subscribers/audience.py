"""Eligibility for an issue as one SQL expression, shared by the frozen audience and the guard before each attempt."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, String, and_, case, exists, false, func, literal, null, select, union_all
from sqlmodel import Session, col

from subscribers.interests import split
from subscribers.models import Frequency, Subscriber, SubscriberState, Suppression

# All subscribers to every third issue get the same ones: those whose number divides by three.
EVERY_NTH: Mapping[Frequency, int] = {Frequency.EVERY: 1, Frequency.SECOND: 2, Frequency.THIRD: 3}


def in_between(issue_number: int) -> Mapping[Frequency, range]:
    """Return, by frequency, the numbers of the issues skipped since the last one, where this issue is sent."""
    return {
        frequency: range(max(issue_number - nth + 1, 1), issue_number)
        for frequency, nth in EVERY_NTH.items()
        if nth > 1 and issue_number % nth == 0
    }


def exclusion_reason(
    now: datetime | ColumnElement[datetime], issue_number: int | None = None
) -> ColumnElement[str | None]:
    """Return an expression over Subscriber: the reason for not getting issue `issue_number` at `now`, else NULL.

    Reasons, most final first: erased, unsubscribed, suppressed, unconfirmed, paused, and, given a number, frequency.
    """
    suppressed = exists().where(col(Suppression.key) == col(Subscriber.suppression_key)).correlate(Subscriber)
    state, paused_until = col(Subscriber.state), col(Subscriber.paused_until)
    return case(
        (state == SubscriberState.ERASED, literal("erased", String)),
        (state == SubscriberState.UNSUBSCRIBED, literal("unsubscribed", String)),
        (suppressed, literal("suppressed", String)),
        (state != SubscriberState.CONFIRMED, literal("unconfirmed", String)),
        (and_(paused_until.is_not(None), paused_until > now), literal("paused", String)),
        (_not_due(issue_number), literal("frequency", String)),
        else_=null(),
    )


def eligible(now: datetime, issue_number: int | None = None) -> ColumnElement[bool]:
    """Return an expression over Subscriber: whether there is no exclusion reason."""
    return exclusion_reason(now, issue_number).is_(None)


@dataclass(frozen=True, slots=True)
class CountedGroup:
    """What a group of subscribers has in common; `reason` is that for no issue, whatever the number."""

    state: str
    language: str
    interests: str
    frequency: str
    format: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class AudienceCounts:
    """Subscribers by group, all as of one moment and from one statement, so that they add up."""

    groups: Mapping[CountedGroup, int]

    @property
    def total(self) -> int:
        return sum(self.groups.values())

    def eligible(self, issue_number: int | None = None) -> dict[CountedGroup, int]:
        """Return the groups that get the issue."""
        waiting = _waiting(issue_number)
        return {g: n for g, n in self.groups.items() if g.reason is None and g.frequency not in waiting}

    def exclusions(self, issue_number: int | None = None) -> dict[str, int]:
        """Return the number of excluded subscribers by reason, without reasons that do not occur."""
        waiting = _waiting(issue_number)
        found = Counter[str]()
        for group, number in self.groups.items():
            if reason := group.reason or ("frequency" if group.frequency in waiting else None):
                found[reason] += number
        return dict(found)

    def stats(self) -> dict[str, dict[str, int]]:
        """Return the number by state, language, format, frequency and interests; erased ones only by state.

        `interest` counts each interest on its own: a subscriber with three interests counts three times.
        """
        by: dict[str, Counter[str]] = {name: Counter() for name in (*_COLUMNS, "interest")}
        for group, number in self.groups.items():
            by["state"][group.state] += number
            if group.state == SubscriberState.ERASED:
                continue
            for name in _COLUMNS[1:]:
                by[name][getattr(group, name)] += number
            for slug in split(group.interests) or {""}:
                by["interest"][slug] += number
        return {name: dict(sorted(counted.items())) for name, counted in by.items()}


_COLUMNS = ("state", "language", "interests", "frequency", "format")
_GONE = {SubscriberState.UNSUBSCRIBED.value: "unsubscribed", SubscriberState.ERASED.value: "erased"}


def counted(session: Session, now: datetime) -> AudienceCounts:
    """Count the subscribers by group; equal to grouping by `exclusion_reason`, but without reading each row.

    All are counted along an index that has every column, those on the never-send list from the list's side.
    """
    columns = [col(getattr(Subscriber, name)) for name in (*_COLUMNS, "paused_until")]
    everybody = select(*columns, func.count().label("number"), literal(value=False).label("held")).group_by(*columns)
    listed = select(*columns, func.count(), literal(value=True)).group_by(*columns)
    listed = listed.where(col(Subscriber.suppression_key).in_(select(col(Suppression.key))))
    found = Counter[CountedGroup]()
    for *own, paused_until, number, held in session.execute(union_all(everybody, listed)):
        state, language, interests, frequency, form = own
        group = partial(CountedGroup, state, language, interests, frequency, form)
        paused = "paused" if paused_until is not None and paused_until > now else None
        reason = _GONE.get(state, paused if state == SubscriberState.CONFIRMED else "unconfirmed")
        found[group(reason)] += -number if held else number
        if held:  # they are in the first rows, too
            found[group(_GONE.get(state, "suppressed"))] += number
    return AudienceCounts({group: number for group, number in sorted(found.items(), key=_order) if number})


def _order(item: tuple[CountedGroup, int]) -> tuple[str, ...]:
    group, _ = item
    return (group.language, group.interests, group.frequency, group.reason or "", group.state, group.format)


def _waiting(issue_number: int | None) -> set[str]:
    """Return the frequencies that skip issue `issue_number`."""
    return set() if issue_number is None else {f.value for f, nth in EVERY_NTH.items() if issue_number % nth != 0}


def _not_due(issue_number: int | None) -> ColumnElement[bool]:
    waiting = _waiting(issue_number)
    return col(Subscriber.frequency).in_(sorted(waiting)) if waiting else false()
