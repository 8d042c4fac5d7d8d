"""Operator actions on an outbox: hold, release, retry, cancel, resend, finish. Callers commit."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, exists, select, update
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.states import DUE, UNFINISHED, State
from digest.outbox.tables import DELIVERY, ISSUE, move
from digest.outbox.workers import WorkerLiveness, lives
from digest.runtime.errors import NotFoundError, RefusedError

RESEND_AFTER = timedelta(minutes=15)
CANCELLABLE = DUE | {State.UNCERTAIN}
"""States from which a delivery may be cancelled by number; without numbers only what is due."""


class NoSuchDeliveryError(NotFoundError):
    """There is no delivery with this number."""

    default_hint = "`digest outbox list` shows the deliveries with their numbers."


class ResendRefusedError(RefusedError):
    """This delivery cannot be sent again."""


def hold(session: Session, issue_id: int) -> bool:
    """Stop an issue: no take starts anything until `release`. Return whether it was not held before."""
    return _set_held(session, issue_id, held=True)


def release(session: Session, issue_id: int) -> bool:
    """Continue a held issue; return whether it was held."""
    return _set_held(session, issue_id, held=False)


def _set_held(session: Session, issue_id: int, *, held: bool) -> bool:
    statement = update(ISSUE).where(ISSUE.c.id == issue_id, ISSUE.c.held != held).values(held=held)
    return _changed(session, statement) == 1


def retry(session: Session, issue_id: int, now: datetime, ids: Sequence[int] | None = None) -> int:
    """Make deferred deliveries (all of the issue, or those in `ids`) due at once; return how many."""
    statement = move(DELIVERY, State.PENDING, {State.DEFERRED}, *_chosen(issue_id, ids))
    return _changed(session, statement.values(due_at=now))


def cancel(session: Session, issue_id: int, now: datetime, *, reason: str, ids: Sequence[int] | None = None) -> int:
    """Cancel what has not been started; return how many. Those in `ids` may also be uncertain.

    A caller that withdraws the issue has locked it for update and changed its state first, so that nothing comes back
    afterwards.
    """
    states = DUE if ids is None else CANCELLABLE
    statement = move(DELIVERY, State.CANCELLED, states, *_chosen(issue_id, ids))
    return _changed(session, statement.values(reason=reason, settled_at=now))


def resend(session: Session, delivery_id: int, liveness: WorkerLiveness, now: datetime) -> None:
    """Send an uncertain delivery once more, because a person says that it did not arrive.

    Its Message-ID stays, so that a mailbox may recognise a repeat. Raises NoSuchDeliveryError, and ResendRefusedError
    when its fate is known, its worker may still be sending, or its issue is withdrawn.
    """
    owner = select(DELIVERY.c.issue_id).where(DELIVERY.c.id == delivery_id).scalar_subquery()
    issue = session.execute(select(ISSUE).where(ISSUE.c.id == owner).with_for_update()).first()
    row = session.execute(select(DELIVERY).where(DELIVERY.c.id == delivery_id).with_for_update()).first()
    if row is None or issue is None:
        raise NoSuchDeliveryError(f"There is no delivery {delivery_id}")
    if row.state != State.UNCERTAIN:
        raise ResendRefusedError(f"Delivery {delivery_id} is {row.state}; only an uncertain one is sent again by hand")
    if issue.state not in {IssueState.SENDING, IssueState.SENT}:
        raise ResendRefusedError(f"Issue {issue.number} is {issue.state}; nothing of it is sent any more")
    earliest = row.started_at + RESEND_AFTER
    if now < earliest or lives(session, row.worker_id, liveness):
        hint = f"Wait until {earliest:%H:%M} UTC, and for its worker to end: the answer may still come."
        raise ResendRefusedError(f"Delivery {delivery_id} may still be on its way", hint=hint)
    again = move(DELIVERY, State.PENDING, {State.UNCERTAIN}, DELIVERY.c.id == delivery_id)
    session.execute(again.values(reason="sent again by hand", due_at=now))
    # also when it is sending already: another transaction may be about to finish it
    session.execute(update(ISSUE).where(ISSUE.c.id == issue.id).values(state=IssueState.SENDING.value, sent_at=None))


def finish(session: Session, issue_id: int, now: datetime) -> bool:
    """Mark a sending issue as sent if nothing of it is pending, started or deferred; return whether it now is."""
    sending = select(ISSUE.c.id).where(ISSUE.c.id == issue_id, ISSUE.c.state == IssueState.SENDING.value)
    if session.execute(sending.with_for_update()).first() is None:
        return False
    unfinished = exists().where(DELIVERY.c.issue_id == issue_id, DELIVERY.c.state.in_(sorted(UNFINISHED)))
    statement = (
        update(ISSUE).where(ISSUE.c.id == issue_id, ~unfinished).values(state=IssueState.SENT.value, sent_at=now)
    )
    return _changed(session, statement) == 1


def _chosen(issue_id: int, ids: Sequence[int] | None) -> list[ColumnElement[bool]]:
    chosen = [DELIVERY.c.issue_id == issue_id]
    return chosen if ids is None else [*chosen, DELIVERY.c.id.in_(ids)]


def _changed(session: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
