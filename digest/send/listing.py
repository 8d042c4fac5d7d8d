"""Listing of an issue's deliveries, with their Message-IDs and attempts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from digest.issues import store as issue_store
from digest.outbox import store
from digest.outbox.states import State
from digest.outbox.store import AttemptRow, DeliveryRow
from digest.runtime.db import session_scope
from digest.send.context import SendContext


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


def delivery(context: SendContext, delivery_id: int) -> ShownDelivery:
    with session_scope(context.engine, read_only=True) as session:
        row, attempts = store.show(session, delivery_id)
    return ShownDelivery(_listed(context, row), attempts)


def _listed(context: SendContext, row: DeliveryRow) -> ListedDelivery:
    return ListedDelivery(row, context.delivery.writer.message_id(row.number, row.ref))
