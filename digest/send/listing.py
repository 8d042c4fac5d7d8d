"""An issue's deliveries as `outbox list` and `outbox show` print them."""

from typing import Any

from digest.issues import store as issue_store
from digest.outbox import store
from digest.outbox.states import State
from digest.runtime.db import session_scope
from digest.send.context import SendContext


def deliveries(context: SendContext, number: int | None, state: State | None) -> list[dict[str, Any]]:
    """Return an issue's deliveries as `outbox list --json` prints them."""
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        rows = store.listing(session, issue.id or 0, state)
    return [_delivery_json(context, row) for row in rows]


def delivery(context: SendContext, delivery_id: int) -> dict[str, Any]:
    """Return one delivery with its attempts."""
    with session_scope(context.engine, read_only=True) as session:
        row, tries = store.show(session, delivery_id)
    attempts = [{name: getattr(one, name) for name in one.__dataclass_fields__} for one in tries]
    return {**_delivery_json(context, row), "due_at": row.due_at, "started_at": row.started_at, "tries": attempts}


def _delivery_json(context: SendContext, row: store.DeliveryRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "subscriber": row.ref,
        "address": row.address,
        "edition": row.edition_id,
        "state": row.state.value,
        "reason": row.reason,
        "message_id": context.delivery.writer.message_id(row.number, row.ref),
        "attempts": row.attempts,
    }
