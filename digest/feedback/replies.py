"""Refusals while we send, recorded as feedback in the transaction that settles them. Callers commit."""

from collections.abc import Sequence

from sqlalchemy import null, select
from sqlmodel import Session

from digest.delivery.outcome import explain
from digest.feedback.models import EVENT, EventSource, FeedbackKind
from digest.outbox.dialects import insert_new
from digest.outbox.settle import Settlement
from digest.outbox.states import FAILED, State
from digest.outbox.tables import DELIVERY, Promised


def note(session: Session, settlements: Sequence[Settlement]) -> None:
    """Record what servers have refused for a reason of the mailbox; an issue judges its deliveries later.

    Other reasons are those of the relay or ours, and are the breaker's.
    """
    failed = {s.attempt_id: s for s in settlements if s.state in FAILED}
    events = {attempt_id: event for attempt_id, s in failed.items() if (event := _event(s)) is not None}
    for promised, named, issue in (
        (Promised.DELIVERY, "delivery_id", DELIVERY.c.issue_id),
        (Promised.NOTICE, "notice_id", null()),
    ):
        table, ids = promised.table, [failed[one].id for one in events if failed[one].promised is promised]
        query = select(table.c.id, table.c.attempt_id, table.c.subscriber_id, issue.label("issue_id"))
        rows = [
            {**events[row.attempt_id], named: row.id, "issue_id": row.issue_id, "subscriber_id": row.subscriber_id}
            for row in (session.execute(query.where(table.c.id.in_(ids))) if ids else ())
            if row.attempt_id in events and row.subscriber_id is not None
        ]
        if rows:
            session.execute(insert_new(session, EVENT), rows)


def _event(one: Settlement) -> dict[str, object] | None:
    reason = explain(one.code, one.enhanced, text=one.reply)
    if one.by_evidence or one.code is None or not reason.is_about_mailbox:
        return None
    is_hard = reason.is_about_address and one.state is State.REJECTED
    return {
        "event_id": f"reply:{one.attempt_id}",
        "kind": (FeedbackKind.HARD if is_hard else FeedbackKind.SOFT).value,
        "source": EventSource.REPLY.value,
        "reason": reason.value,
        "detail": {
            "reader": one.relay,
            "attempt": one.attempt_id,
            "code": one.code,
            "enhanced": one.enhanced,
            "words": one.reply,
        },
        "happened_at": one.ended_at,
    }
