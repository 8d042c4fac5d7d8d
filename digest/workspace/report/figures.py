"""Figures of an issue from the ledger: each needs one statement over the issue's deliveries, or less."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

from sqlalchemy import and_, func, select, text
from sqlmodel import Session

from digest.feedback.models import EVENT, FAILURES, FeedbackKind
from digest.outbox.dialects import instant, minute_of
from digest.outbox.models import ODD
from digest.outbox.states import State
from digest.outbox.statistics import OTHERS
from digest.outbox.tables import ATTEMPT, DELIVERY, EDITION, SUBSCRIBER
from digest.workspace.report import reasons
from digest.workspace.report.reasons import OddGroup, Reasons
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.interests import split
from subscribers.models import SubscriberState
from subscribers.transfer.bulk import CONSENT_EVENT

Counts = Mapping[State, int]
CAME_BACK = (*FAILURES, FeedbackKind.COMPLAINT)
UNSUBSCRIBED = ConsentKind.UNSUBSCRIBED.value
_Key = TypeVar("_Key", int, str)
_WIDTHS = [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6)]
_DAY = timedelta(days=1)
_SLOTS = 24
_MOST, _GAP = 0.9, timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """An issue's deliveries by state, in all and in groups.

    Interests are those that readers have now: a reader with three counts three times, an erased one not at all.
    """

    states: Counts
    edition: Mapping[int, Counts]
    interest: Mapping[str, Counts]
    provider: Mapping[str, Counts]
    followers: Mapping[int, Sequence[str]]
    """By edition, the interests of its readers, those of most readers first."""


def breakdown(session: Session, issue_id: int) -> Breakdown:
    """Count deliveries by edition, interest and mailbox provider, from one statement, so that all add up."""
    query = (
        select(DELIVERY.c.edition_id, DELIVERY.c.family, SUBSCRIBER.c.interests, DELIVERY.c.state, func.count())
        .add_columns(func.count(SUBSCRIBER.c.address_key))
        .join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
        .where(DELIVERY.c.issue_id == issue_id)
        .group_by(DELIVERY.c.edition_id, DELIVERY.c.family, SUBSCRIBER.c.interests, DELIVERY.c.state)
    )
    states = Counter[State]()
    edition: defaultdict[int, Counter[State]] = defaultdict(Counter)
    interest: defaultdict[str, Counter[State]] = defaultdict(Counter)
    provider: defaultdict[str, Counter[State]] = defaultdict(Counter)
    followers: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for edition_id, family, interests, name, count, present in session.execute(query):
        state = State(name)
        states[state] += count
        edition[edition_id][state] += count
        followers[edition_id][interests or ""] += count
        provider[family or OTHERS][state] += count
        for slug in (split(interests) or {""}) if present else ():
            interest[slug][state] += present
    every = {state: states[state] for state in State}
    by_count = {key: [text for text, _ in of.most_common()] for key, of in followers.items()}
    return Breakdown(every, _largest_first(edition), _largest_first(interest), _largest_first(provider), by_count)


def _largest_first(groups: Mapping[_Key, Counter[State]]) -> dict[_Key, Counts]:
    return {key: groups[key] for key in sorted(groups, key=lambda key: (-groups[key].total(), key))}


def editions(session: Session, issue_id: int) -> dict[int, tuple[str, int]]:
    """Return language and number of articles of the issue's editions."""
    query = select(EDITION.c.id, EDITION.c.language, EDITION.c.articles).where(EDITION.c.issue_id == issue_id)
    return {row.id: (row.language, len(row.articles)) for row in session.execute(query)}


def why(session: Session, issue_id: int) -> Reasons:
    """Count what was not simply accepted by its reason, along an index of those alone."""
    own = (DELIVERY.c.state, DELIVERY.c.reason, ATTEMPT.c.code, ATTEMPT.c.enhanced, DELIVERY.c.family)
    query = (
        select(*own, func.count())
        .select_from(DELIVERY.outerjoin(ATTEMPT, ATTEMPT.c.id == DELIVERY.c.attempt_id))
        .where(DELIVERY.c.issue_id == issue_id, text(f"delivery.state IN ({ODD})"))
        .group_by(*own)
    )
    rows = session.execute(query)
    return reasons.counted(
        OddGroup(State(state), why, code, enhanced, family or OTHERS, count)
        for state, why, code, enhanced, family, count in rows
    )


@dataclass(frozen=True, slots=True)
class TimeSlot:
    """Deliveries that ended in one stretch of time, by state."""

    at: datetime
    seconds: int
    states: Counts


def over_time(session: Session, issue_id: int) -> list[TimeSlot]:
    """Return when deliveries ended: in equal slots while the issue was sent, then by the day."""
    minute = minute_of(session, DELIVERY.c.settled_at)
    query = (
        select(minute, DELIVERY.c.state, func.count())
        .where(DELIVERY.c.issue_id == issue_id, DELIVERY.c.settled_at.is_not(None))
        .group_by(minute, DELIVERY.c.state)
    )
    counted: dict[datetime, Counter[State]] = {}
    for at, state, count in session.execute(query):
        counted.setdefault(instant(at), Counter())[State(state)] += count
    return slots(counted)


def slots(minutes: Mapping[datetime, Counts]) -> list[TimeSlot]:
    """Join minutes into slots of a length that suits them. Pure."""
    if not minutes:
        return []
    ordered = sorted(minutes)
    until = _end_of_the_run([(at, minutes[at].get(State.ACCEPTED, 0)) for at in ordered])
    width = next((one for one in _WIDTHS if until - ordered[0] < _SLOTS * one), _DAY)
    begin = ordered[0] - (ordered[0] - instant("2000-01-01")) % width
    end = until + width - (until - begin) % width
    found: dict[tuple[datetime, timedelta], Counter[State]] = {}
    for at in ordered:
        first, length = (begin, width) if at < end else (end, _DAY)
        slot = at - (at - first) % length
        found.setdefault((slot, length), Counter()).update(minutes[at])
    return [TimeSlot(at, int(length.total_seconds()), counts) for (at, length), counts in found.items()]


def _end_of_the_run(accepted: Sequence[tuple[datetime, int]]) -> datetime:
    """Return the minute after which only stragglers were accepted: most are by then, and a long gap follows."""
    begin, total = accepted[0][0], 0
    until, most = begin, _MOST * sum(count for _, count in accepted)
    for at, count in accepted:
        if count and total >= most and at - until > max((until - begin) / 2, _GAP):
            break
        if count:
            until, total = at, total + count
    return until


@dataclass(frozen=True, slots=True)
class ComeBack:
    """What came back after an issue: numbers by kind, and by kind on each day, in the publication's zone."""

    counts: Mapping[str, int]
    by_day: Mapping[date, Mapping[str, int]]


def come_back(
    session: Session, issue_id: int, since: datetime | None, until: datetime | None, zone: tzinfo
) -> ComeBack:
    """Return bounces and complaints about an issue, and the readers who left from it until the next one."""
    minute = minute_of(session, EVENT.c.happened_at)
    kinds = [kind.value for kind in CAME_BACK]
    query = select(minute, EVENT.c.kind, func.count()).where(EVENT.c.issue_id == issue_id, EVENT.c.kind.in_(kinds))
    by_day: dict[date, Counter[str]] = {}
    for at, kind, count in session.execute(query.group_by(minute, EVENT.c.kind)):
        by_day.setdefault(instant(at).astimezone(zone).date(), Counter())[kind] += count
    for at in leaving(session, since, until) if since else ():
        by_day.setdefault(at.astimezone(zone).date(), Counter())[UNSUBSCRIBED] += 1
    total = sum(by_day.values(), Counter[str]())
    ordered = {
        day: {kind: of[kind] for kind in (*kinds, UNSUBSCRIBED) if of[kind]} for day, of in sorted(by_day.items())
    }
    return ComeBack({kind: total[kind] for kind in (*kinds, UNSUBSCRIBED)}, ordered)


def leaving(session: Session, since: datetime, until: datetime | None = None) -> Iterator[datetime]:
    """Yield when readers left, each once: they unsubscribed, or were erased; not those who never had confirmed."""
    event = CONSENT_EVENT.c
    for_good = and_(event.kind == ConsentKind.ERASED.value, event.method != ConsentMethod.RETENTION.value)
    which = [event.happened_at >= since, (event.kind == UNSUBSCRIBED) | for_good]
    if until is not None:
        which.append(event.happened_at < until)
    seen: set[int] = set()
    for who, at in session.execute(select(event.subscriber_id, event.happened_at).where(*which)):
        if who not in seen:
            seen.add(who)
            yield at


def joining(session: Session) -> Iterator[tuple[datetime, int]]:
    """Yield when readers came onto the list who have confirmed, and how many in each minute."""
    minute = minute_of(session, SUBSCRIBER.c.created_at)
    query = select(minute, func.count()).where(SUBSCRIBER.c.state != SubscriberState.PENDING.value).group_by(minute)
    for at, count in session.execute(query):
        yield instant(at), count
