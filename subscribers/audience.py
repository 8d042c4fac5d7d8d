"""Who gets an issue: one SQL expression, so that the frozen audience and the guard before each attempt cannot
differ.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, String, and_, case, exists, false, literal, null
from sqlmodel import Session, col, func, select

from subscribers import store
from subscribers.interests import split
from subscribers.models import Frequency, Subscriber, SubscriberState, Suppression

# Frequency thins one series of issues: every reader of every third issue gets the same ones, those whose number divides
# by three.
EVERY_NTH: Mapping[Frequency, int] = {Frequency.EVERY: 1, Frequency.SECOND: 2, Frequency.THIRD: 3}


def in_between(issue_number: int) -> Mapping[Frequency, range]:
    """Return, for each frequency whose readers get this issue, the numbers since the issue that they got before."""
    return {
        frequency: range(max(issue_number - nth + 1, 1), issue_number)
        for frequency, nth in EVERY_NTH.items()
        if nth > 1 and issue_number % nth == 0
    }


def exclusion_reason(
    now: datetime | ColumnElement[datetime], issue_number: int | None = None
) -> ColumnElement[str | None]:
    """Return an expression over Subscriber: why this person does not get issue `issue_number` at `now`; NULL for who
    does.

    The reasons, the most final first: erased, unsubscribed, suppressed, unconfirmed, paused, frequency. Without a
    number the frequency is left out.
    """
    suppressed = exists().where(col(Suppression.key) == col(Subscriber.suppression_key)).correlate(Subscriber)
    state = col(Subscriber.state)
    return case(
        (state == SubscriberState.ERASED, literal("erased", String)),
        (state == SubscriberState.UNSUBSCRIBED, literal("unsubscribed", String)),
        (suppressed, literal("suppressed", String)),
        (state != SubscriberState.CONFIRMED, literal("unconfirmed", String)),
        (
            and_(col(Subscriber.paused_until).is_not(None), col(Subscriber.paused_until) > now),
            literal("paused", String),
        ),
        (_not_due(issue_number), literal("frequency", String)),
        else_=null(),
    )


def eligible(now: datetime, issue_number: int | None = None) -> ColumnElement[bool]:
    """Return an expression over Subscriber: whether this person gets the issue.

    True exactly where no reason speaks against it.
    """
    return exclusion_reason(now, issue_number).is_(None)


def exclusions(session: Session, now: datetime, issue_number: int | None = None) -> dict[str, int]:
    """Return how many people each reason excludes; reasons that exclude nobody are left out."""
    reason = exclusion_reason(now, issue_number)
    rows = session.exec(
        select(reason, func.count()).select_from(Subscriber).where(reason.is_not(None)).group_by(reason)
    ).all()
    return {str(name): number for name, number in rows}


def stats(session: Session) -> dict[str, dict[str, int]]:
    """Return how many subscribers there are by state, language, format, frequency and interests; the erased only by
    state. `interest` counts each interest on its own, so that a reader of three counts three times.
    """
    living = col(Subscriber.state) != SubscriberState.ERASED
    counted = {
        "state": store.counts(session, col(Subscriber.state)),
        "language": store.counts(session, col(Subscriber.language), living),
        "format": store.counts(session, col(Subscriber.format), living),
        "frequency": store.counts(session, col(Subscriber.frequency), living),
        "interests": store.counts(session, col(Subscriber.interests), living),
    }
    single: Counter[str] = Counter()
    for text, number in counted["interests"].items():
        for slug in split(text) or {""}:
            single[slug] += number
    return counted | {"interest": dict(sorted(single.items()))}


def reach(session: Session, now: datetime, issue_number: int | None = None) -> tuple[int, int]:
    """Return how many people there are in all, and how many of them would get an issue now.

    All are who would get it and the sum of `exclusions`, in one state of the database.
    """
    yes = case((exclusion_reason(now, issue_number).is_(None), 1), else_=0)
    everybody, reached = session.exec(
        select(func.count(), func.coalesce(func.sum(yes), 0)).select_from(Subscriber)
    ).one()
    return everybody, int(reached)


def _not_due(issue_number: int | None) -> ColumnElement[bool]:
    if issue_number is None:
        return false()
    waiting = [frequency for frequency, nth in EVERY_NTH.items() if issue_number % nth != 0]
    return col(Subscriber.frequency).in_(waiting)
