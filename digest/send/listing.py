"""Listing of an issue's deliveries, with their Message-IDs and attempts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, exists, func, literal
from sqlmodel import Session, col, select

from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.outbox import store
from digest.outbox.models import Delivery
from digest.outbox.states import SkipReason, State
from digest.outbox.store import AttemptRow, DeliveryRow
from digest.runtime.db import session_scope
from digest.send.context import SendContext
from subscribers.audience import exclusion_reason
from subscribers.models import Subscriber

EXCLUDED = "excluded"  # not a state of a delivery: these people have none


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """One delivery and the Message-ID of its mail, for `outbox list`."""

    row: DeliveryRow
    message_id: str

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
    reason: str

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


def deliveries(context: SendContext, number: int | None, state: State | None) -> list[ListedDelivery]:
    """Return an issue's deliveries, all or those in `state`."""
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        rows = store.listing(session, issue.id or 0, state)
    return [_listed(context, row) for row in rows]


def excluded(context: SendContext, number: int | None) -> list[ExcludedSubscriber]:
    """Return who was excluded when the issue was frozen; before that, who would be now."""
    with session_scope(context.engine, read_only=True) as session:
        return excluded_from(session, issue_store.find_delivered(session, number), context.clock.now())


def excluded_from(session: Session, issue: Issue, now: datetime) -> list[ExcludedSubscriber]:
    """Return the excluded by reason and address.

    A frozen issue keeps counts only. So the reason is what today's data say about that moment; for somebody whose
    pause or frequency changed since, it is `changed since`.
    """
    columns = (col(Subscriber.ref), col(Subscriber.address))
    if issue.frozen_at is None:
        reason: ColumnElement[str | None] = exclusion_reason(now, issue.number)
        query = select(*columns, reason).where(reason.is_not(None))
    else:
        planned = exists().where(col(Delivery.issue_id) == issue.id, col(Delivery.subscriber_id) == col(Subscriber.id))
        rest = SkipReason.EMPTY.value if SkipReason.EMPTY.value in issue.excluded else "changed since"
        confirmed_later = case((col(Subscriber.confirmed_at) > issue.frozen_at, literal("unconfirmed")))
        reason = func.coalesce(confirmed_later, exclusion_reason(issue.frozen_at, issue.number), literal(rest))
        query = select(*columns, reason).where(col(Subscriber.created_at) <= issue.frozen_at, ~planned)
    rows = session.exec(query.order_by(reason, col(Subscriber.address), col(Subscriber.id)))
    return [ExcludedSubscriber(ref, address, str(why)) for ref, address, why in rows]


def delivery(context: SendContext, delivery_id: int) -> ShownDelivery:
    with session_scope(context.engine, read_only=True) as session:
        row, attempts = store.show(session, delivery_id)
    return ShownDelivery(_listed(context, row), attempts)


def _listed(context: SendContext, row: DeliveryRow) -> ListedDelivery:
    return ListedDelivery(row, context.delivery.writer.message_id(row.number, row.ref))
