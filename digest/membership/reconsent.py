"""Mass mails that ask for consent: once to each person, with a limit of mails an hour.

The due times of the notices throttle. They are stored, so all workers keep to them, and an interrupted run continues.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlmodel import Session

from digest.membership.context import MembershipContext, new_ref
from digest.outbox.states import State
from digest.outbox.tables import IS_DUE, NOTICE, SUBSCRIBER, SUPPRESSION
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import session_scope
from subscribers import signup
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.models import SubscriberState
from subscribers.transfer.bulk import CONSENT_EVENT, insert_rows

BATCH = 1_000
_EVENT = ("subscriber_id", "kind", "method", "wording", "detail", "happened_at")
_NOTICE = (
    "kind", "key", "subscriber_id", "address", "name", "language", "context", "state", "reason", "due_at", "attempts",
    "created_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReconsentRun:
    """Number of people asked, and the due times of the first and the last mail."""

    asked: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of mail that asks for consent: its recipients, consent event and rate."""

    kind: str
    event: ConsentKind
    method: ConsentMethod
    who: ColumnElement[bool]
    per_hour: int


def confirmation(context: MembershipContext, *, again: bool = False, per_hour: int | None = None) -> Question:
    """Return the question to pending subscribers who were never asked, or with `again` not within a day."""
    asked = exists().where(
        CONSENT_EVENT.c.subscriber_id == SUBSCRIBER.c.id, CONSENT_EVENT.c.kind == ConsentKind.REQUESTED.value
    )
    if again:
        asked = asked.where(CONSENT_EVENT.c.happened_at > context.clock.now() - signup.QUIET)
    waiting = exists().where(
        NOTICE.c.subscriber_id == SUBSCRIBER.c.id,
        NOTICE.c.kind == NoticeKind.CONFIRMATION,
        NOTICE.c.state.in_([State.PENDING.value, State.DEFERRED.value, State.STARTED.value]),
    )
    who = and_(
        SUBSCRIBER.c.state == SubscriberState.PENDING.value,
        ~_suppressed(),
        ~asked.correlate(SUBSCRIBER),
        ~waiting.correlate(SUBSCRIBER),
    )
    per_hour = per_hour or context.settings.retention.asks_per_hour
    kind, event, method = NoticeKind.CONFIRMATION, ConsentKind.REQUESTED, ConsentMethod.COMMAND
    return Question(kind, event, method, who, per_hour)


def reconsent(context: MembershipContext, before: datetime) -> Question:
    """Return the question to subscribers whose consent is older than `before`, and who were not asked since."""
    since = func.coalesce(SUBSCRIBER.c.confirmed_at, SUBSCRIBER.c.created_at)
    asked = exists().where(
        NOTICE.c.subscriber_id == SUBSCRIBER.c.id,
        NOTICE.c.kind == NoticeKind.RECONSENT,
        NOTICE.c.created_at > since,
        # mails that were never sent do not count
        NOTICE.c.state.not_in([State.EXPIRED.value, State.CANCELLED.value, State.SKIPPED.value]),
    )
    confirmed = SUBSCRIBER.c.state == SubscriberState.CONFIRMED.value
    who = and_(confirmed, since < before, ~_suppressed(), ~asked.correlate(SUBSCRIBER))
    kind, event, method = NoticeKind.RECONSENT, ConsentKind.ASKED, ConsentMethod.RETENTION
    return Question(kind, event, method, who, context.settings.retention.asks_per_hour)


def _suppressed() -> ColumnElement[bool]:
    return exists().where(SUPPRESSION.c.key == SUBSCRIBER.c.suppression_key).correlate(SUBSCRIBER)


def count(session: Session, question: Question) -> int:
    """Return the number of people who would be asked."""
    number: int = session.execute(select(func.count()).select_from(SUBSCRIBER).where(question.who)).scalar_one()
    return number


def ask(
    context: MembershipContext, question: Question, progress: Callable[[int], None] = lambda _asked: None
) -> ReconsentRun:
    """Promise a mail to each of them, spread over time; safe to interrupt and repeat."""
    step = timedelta(hours=1) / question.per_hour
    dispatcher = context.dispatcher
    asked, first, last, after = 0, None, None, 0
    while True:
        with session_scope(context.engine) as session:
            people, after = _next(session, question, after)
            now = context.clock.now()
            due = _free_from(session, now, step)
            times = [due + step * number for number in range(len(people))]
            _promise(session, question, people, times, now)
            if people:
                dispatcher.announce(session, None)
                first, last = first or times[0], times[-1]
        if not after:
            break
        asked += len(people)
        progress(asked)
    return ReconsentRun(asked, first, last)


def _next(session: Session, question: Question, after: int) -> tuple[Sequence[Any], int]:
    """Lock the next batch in id order, filter it again, because another run may have asked them; return the last id."""
    candidates = select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.id > after, question.who).order_by(SUBSCRIBER.c.id)
    ids = session.execute(candidates.limit(BATCH).with_for_update(of=SUBSCRIBER)).scalars().all()
    names = ("id", "ref", "address", "name", "language", "confirmed_at", "created_at")
    people = select(*(SUBSCRIBER.c[name] for name in names)).where(SUBSCRIBER.c.id.in_(ids), question.who)
    return session.execute(people.order_by(SUBSCRIBER.c.id)).all(), ids[-1] if ids else 0


def _free_from(session: Session, now: datetime, step: timedelta) -> datetime:
    """Return the first free due time, after all waiting mails that ask for consent."""
    kinds = [NoticeKind.CONFIRMATION, NoticeKind.RECONSENT]
    waiting = select(func.max(NOTICE.c.due_at)).where(IS_DUE, NOTICE.c.kind.in_(kinds), NOTICE.c.due_at > now)
    latest = session.execute(waiting).scalar_one_or_none()
    return now if latest is None else latest.replace(tzinfo=latest.tzinfo or UTC) + step


def _promise(
    session: Session, question: Question, people: Sequence[Any], times: Sequence[datetime], now: datetime
) -> None:
    requests = [new_ref() for _ in people]

    def events() -> Iterator[list[Any]]:
        for person, request in zip(people, requests, strict=True):
            event, method = question.event.value, question.method.value
            yield [person.id, event, method, "", {"request": request}, now]

    def promises() -> Iterator[list[Any]]:
        for person, request, due in zip(people, requests, times, strict=True):
            since = person.confirmed_at or person.created_at
            context = {"extra": request, "since": since.isoformat()}
            yield [
                question.kind, f"{person.ref}:{request}", person.id, person.address, person.name, person.language,
                context, State.PENDING.value, "", due, 0, now,
            ]  # fmt: skip

    insert_rows(session, CONSENT_EVENT, _EVENT, events())
    insert_rows(session, NOTICE, _NOTICE, promises())
