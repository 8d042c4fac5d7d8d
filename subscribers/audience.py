"""Eligibility for an issue as one SQL expression, shared by the frozen audience and the guard before each attempt."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, String, and_, case, exists, false, literal, null
from sqlmodel import Session, col, func, select

from subscribers import store
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


def exclusions(session: Session, now: datetime, issue_number: int | None = None) -> dict[str, int]:
    """Return the number of excluded subscribers by reason, without reasons that do not occur."""
    reason = exclusion_reason(now, issue_number)
    rows = session.exec(
        select(reason, func.count()).select_from(Subscriber).where(reason.is_not(None)).group_by(reason)
    ).all()
    return {str(name): number for name, number in rows}


def stats(session: Session) -> dict[str, dict[str, int]]:
    """Return the number of subscribers by state, language, format, frequency and interests; erased ones only by state.

    `interest` counts each interest on its own: a subscriber with three interests counts three times.
    """
    living = col(Subscriber.state) != SubscriberState.ERASED
    columns = {name: col(getattr(Subscriber, name)) for name in ("language", "format", "frequency", "interests")}
    counted = {"state": store.counts(session, col(Subscriber.state))}
    counted |= {name: store.counts(session, column, living) for name, column in columns.items()}
    single: Counter[str] = Counter()
    for text, number in counted["interests"].items():
        for slug in split(text) or {""}:
            single[slug] += number
    return counted | {"interest": dict(sorted(single.items()))}


def reach(session: Session, now: datetime, issue_number: int | None = None) -> tuple[int, int]:
    """Return the number of all subscribers and of the eligible ones, from one snapshot of the database."""
    yes = case((eligible(now, issue_number), 1), else_=0)
    query = select(func.count(), func.coalesce(func.sum(yes), 0)).select_from(Subscriber)
    total, reached = session.exec(query).one()
    return total, int(reached)


def _not_due(issue_number: int | None) -> ColumnElement[bool]:
    if issue_number is None:
        return false()
    waiting = [frequency for frequency, nth in EVERY_NTH.items() if issue_number % nth != 0]
    return col(Subscriber.frequency).in_(waiting)
