"""Listing of an issue's deliveries, with their Message-IDs and attempts.

Read in batches, each in a transaction of its own: memory is flat, and no reader of a listing keeps the database busy.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal
from sqlmodel import Session, col, select

from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.outbox import store
from digest.outbox.models import Delivery
from digest.outbox.states import SkipReason, State
from digest.outbox.store import AttemptRow, DeliveryRow
from digest.publish.audience import exclusion_of
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.runtime.keys import MAX_KEY
from digest.send.context import SendContext
from subscribers.models import Subscriber

EXCLUDED = "excluded"  # not a state of a delivery: these people have none
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """One delivery and the Message-ID of its mail, for `outbox list`."""

    row: DeliveryRow
    message_id: str

    @property
    def cursor(self) -> str:
        return str(self.row.id)

    @property
    def address(self) -> str:
        return self.row.address

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def why(self) -> str:
        """State and reason in one text."""
        return f"{self.row.state}: {self.row.reason}" if self.row.reason else self.row.state.value

    def as_json(self) -> dict[str, object]:
        row = self.row
        return {
            "id": row.id,
            "subscriber": row.ref,
            "address": row.address,
            "edition": row.edition_id,
            "state": row.state.value,
            "reason": row.reason,
            "message_id": self.message_id,
            "attempts": row.attempts,
        }


@dataclass(frozen=True, slots=True)
class ExcludedSubscriber:
    """Somebody who has no delivery of an issue, and the reason."""

    ref: str
    address: str
    name: str
    reason: str

    @property
    def cursor(self) -> str:
        return self.ref

    @property
    def why(self) -> str:
        return self.reason

    def as_json(self) -> dict[str, object]:
        """Return the keys of a delivery, without those of its mail."""
        mail = {"id": None, "edition": None, "message_id": None, "attempts": 0}
        return {**mail, "subscriber": self.ref, "address": self.address, "state": EXCLUDED, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    """One delivery with its attempts, the oldest first, for `outbox show`."""

    delivery: ListedDelivery
    attempts: Sequence[AttemptRow]

    def as_json(self) -> dict[str, object]:
        moments = {"due_at": self.delivery.row.due_at, "started_at": self.delivery.row.started_at}
        return self.delivery.as_json() | moments | {"tries": [asdict(one) for one in self.attempts]}


Listed = ListedDelivery | ExcludedSubscriber


def listed(context: SendContext, number: int | None, state: str, after: str = "") -> Iterator[Listed]:
    """Yield an issue's deliveries, all or those in `state`; for `excluded`, who has none.

    `after` is the cursor of the last one that the caller has. Raises at the first, before anything is yielded.
    """
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        read = _reader(session, context, issue, state, after)
    while batch := _in_transaction(context, read, after):
        yield from batch
        after = batch[-1].cursor
        if len(batch) < BATCH:
            return


def count(context: SendContext, number: int | None, state: str) -> int:
    """Return how many `listed` yields."""
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        if state == EXCLUDED:
            rows = _excluded_rows(session, issue, context.clock.now()).subquery()
            return int(session.execute(select(func.count()).select_from(rows)).scalar_one())
        counted = store.counts(session, issue.id or 0)
    return counted[State(state)] if state else sum(counted.values())


_Reader = Callable[[Session, str], Sequence[Listed]]


def _in_transaction(context: SendContext, read: _Reader, after: str) -> Sequence[Listed]:
    with session_scope(context.engine, read_only=True) as session:
        return read(session, after)


def _reader(session: Session, context: SendContext, issue: Issue, state: str, after: str) -> _Reader:
    """Return the function that reads a batch after a cursor. Raises UsageError for a cursor of something else."""
    of_issue, now = issue.id or 0, context.clock.now()
    if state == EXCLUDED:
        known = select(Subscriber.id).where(col(Subscriber.ref) == after)
        hint = "Use the value at the end of a page of `digest outbox list --state excluded`."
    else:
        own = int(after) if after.isdecimal() and len(after) < len(str(MAX_KEY)) + 1 else 0
        known = select(Delivery.id).where(col(Delivery.id) == own, col(Delivery.issue_id) == of_issue)
        hint = f"Use a delivery of issue {issue.number}, from the column id."
    if after and session.exec(known).first() is None:
        raise UsageError(f"--after {after[:60]!r} is not a valid value", hint=hint)

    def read_excluded(session: Session, cursor: str) -> Sequence[Listed]:
        return excluded_from(session, issue, now, after=cursor, limit=BATCH)

    def read(session: Session, cursor: str) -> Sequence[Listed]:
        chosen = State(state) if state else None
        rows = store.listing(session, of_issue, chosen, after=int(cursor or 0), limit=BATCH)
        return [_listed(context, row) for row in rows]

    return read_excluded if state == EXCLUDED else read


def excluded_from(
    session: Session, issue: Issue, now: datetime, *, after: str = "", limit: int | None = None
) -> list[ExcludedSubscriber]:
    """Return who was excluded when the issue was frozen, before that who would be now; in the order of their rows.

    A frozen issue keeps counts only. So the reason is what today's data say about that moment; for somebody whose
    pause or frequency changed since, it is `changed since`. Readers whom a correction does not concern are not listed.
    """
    query = _excluded_rows(session, issue, now).order_by(col(Subscriber.id))
    if after:
        last = select(Subscriber.id).where(col(Subscriber.ref) == after)
        query = query.where(col(Subscriber.id) > last.scalar_subquery())
    return [
        ExcludedSubscriber(ref, address, name, str(why)) for ref, address, name, why in session.exec(query.limit(limit))
    ]


def _excluded_rows(session: Session, issue: Issue, now: datetime) -> Any:
    columns = (col(Subscriber.ref), col(Subscriber.address), col(Subscriber.name))
    unaffected = SkipReason.UNAFFECTED.value
    if issue.frozen_at is None:
        reason: ColumnElement[str | None] = exclusion_of(session, issue, now)
        return select(*columns, reason).where(func.coalesce(reason, unaffected) != unaffected)
    planned = exists().where(col(Delivery.issue_id) == issue.id, col(Delivery.subscriber_id) == col(Subscriber.id))
    rest = SkipReason.EMPTY.value if SkipReason.EMPTY.value in issue.excluded else "changed since"
    confirmed_later = case((col(Subscriber.confirmed_at) > issue.frozen_at, literal("unconfirmed")))
    then = exclusion_of(session, issue, issue.frozen_at)
    reason = func.coalesce(confirmed_later, then, literal(rest))
    return select(*columns, reason.label("reason")).where(
        col(Subscriber.created_at) <= issue.frozen_at, ~planned, func.coalesce(then, "") != unaffected
    )


def delivery(context: SendContext, delivery_id: int) -> ShownDelivery:
    with session_scope(context.engine, read_only=True) as session:
        row, attempts = store.show(session, delivery_id)
    return ShownDelivery(_listed(context, row), attempts)


def _listed(context: SendContext, row: DeliveryRow) -> ListedDelivery:
    return ListedDelivery(row, context.delivery.writer.message_id(row.number, row.ref))
