"""Operator actions on an outbox: hold, retry, cancel, resend, finish (release: see breaker). Callers commit."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, exists, not_, select, update
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.states import DUE, FAILED, UNFINISHED, Outcome, State
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, move
from digest.outbox.workers import WorkerLiveness, lives
from digest.runtime.errors import NotFoundError, RefusedError

RESEND_AFTER = timedelta(minutes=15)
BY_OPERATOR = "held by an operator"
NONE_ACCEPTED = "no delivery was accepted, so the issue does not count as sent"
HELD_BY_US = and_(
    ISSUE.c.held,
    ISSUE.c.state.in_([IssueState.SENDING.value, IssueState.SENT.value]),
    not_(ISSUE.c.held_reason.startswith(BY_OPERATOR)),
)
"""Issues that wait for a person to release them; of a sent one only the consequences of what came back do."""
CANCELLABLE = DUE | {State.UNCERTAIN}
"""States from which a delivery may be cancelled by number; without numbers only what is due."""


class NoSuchDeliveryError(NotFoundError):
    """There is no delivery with this number."""

    default_hint = "To list the deliveries with their IDs: digest outbox list"


class ResendRefusedError(RefusedError):
    """This delivery cannot be sent again."""


def hold(session: Session, issue_id: int, why: str) -> bool:
    """Stop an issue: no take starts anything until it is released. Return whether it was not held before."""
    values = {"held": True, "held_reason": why, "holds": ISSUE.c.holds + 1}
    return _changed(session, update(ISSUE).where(ISSUE.c.id == issue_id, ~ISSUE.c.held).values(**values)) == 1


def retriable(issue_id: int, state: State, ids: Sequence[int] | None = None) -> list[ColumnElement[bool]]:
    """Return the condition for deliveries that `retry` makes due again.

    Rejected ones only if the last evidence is a reply to our own attempt: after a bounce from further on, the relay
    would take them again, and they would bounce again.
    """
    chosen = [*_chosen(issue_id, ids), DELIVERY.c.state == state.value]
    ours = exists().where(
        ATTEMPT.c.id == DELIVERY.c.attempt_id, ATTEMPT.c.outcome == Outcome.REJECTED.value, ~ATTEMPT.c.by_evidence
    )
    return chosen if state is State.DEFERRED else [*chosen, ours]


def retry(
    session: Session, issue_id: int, state: State, now: datetime, *, why: str, ids: Sequence[int] | None = None
) -> int:
    """Make deferred or rejected deliveries due at once, all that can be or those in `ids`; return how many.

    Their patience begins anew, and an issue that counts as sent is being sent again.
    """
    session.execute(select(ISSUE.c.id).where(ISSUE.c.id == issue_id).with_for_update())
    statement = move(DELIVERY, State.PENDING, {state}, *retriable(issue_id, state, ids))
    count = _changed(session, statement.values(due_at=now, retried_at=now, reason=why, settled_at=None))
    if count:
        _reopen(session, issue_id)
    return count


def _reopen(session: Session, issue_id: int) -> None:
    """Let an issue count as being sent; nothing changes when it does."""
    sent = (ISSUE.c.id == issue_id, ISSUE.c.state == IssueState.SENT.value)
    session.execute(update(ISSUE).where(*sent).values(state=IssueState.SENDING.value, sent_at=None))


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
        raise ResendRefusedError(f"Delivery {delivery_id} is {row.state}; only uncertain deliveries can be resent")
    if issue.state not in {IssueState.SENDING, IssueState.SENT}:
        raise ResendRefusedError(f"Issue {issue.number} is {issue.state}; nothing more of it is sent")
    earliest = row.started_at + RESEND_AFTER
    if now < earliest or lives(session, row.worker_id, liveness):
        hint = f"Wait until {earliest:%H:%M} UTC and until its worker ends: the answer may still arrive."
        raise ResendRefusedError(f"Delivery {delivery_id} may still be in progress", hint=hint)
    again = move(DELIVERY, State.PENDING, {State.UNCERTAIN}, DELIVERY.c.id == delivery_id)
    session.execute(again.values(reason="resent by an operator", due_at=now))
    _reopen(session, issue.id)


def finish(session: Session, issue_id: int, now: datetime) -> bool:
    """Mark a sending issue as sent if nothing of it is pending, started or deferred; return whether it now is.

    If deliveries were tried and none of them was accepted or is uncertain, it is held instead: it was not sent.
    """
    sending = select(ISSUE.c.id).where(ISSUE.c.id == issue_id, ISSUE.c.state == IssueState.SENDING.value)
    if session.execute(sending.with_for_update()).first() is None or _has(session, issue_id, UNFINISHED):
        return False
    if _has(session, issue_id, FAILED) and not _has(session, issue_id, {State.ACCEPTED, State.UNCERTAIN}):
        hold(session, issue_id, f"{NONE_ACCEPTED}. The last answer was {_last_reason(session, issue_id)!r}")
        return False
    statement = update(ISSUE).where(ISSUE.c.id == issue_id).values(state=IssueState.SENT.value, sent_at=now)
    return _changed(session, statement) == 1


def _last_reason(session: Session, issue_id: int) -> str:
    failed = DELIVERY.c.issue_id == issue_id, DELIVERY.c.state.in_(sorted(FAILED))
    query = select(DELIVERY.c.reason).where(*failed).order_by(DELIVERY.c.settled_at.desc()).limit(1)
    return str(session.execute(query).scalar_one())


def _has(session: Session, issue_id: int, states: Collection[State]) -> bool:
    mine = exists().where(DELIVERY.c.issue_id == issue_id, DELIVERY.c.state.in_(sorted(states)))
    return bool(session.execute(select(mine)).scalar_one())


def _chosen(issue_id: int, ids: Sequence[int] | None) -> list[ColumnElement[bool]]:
    chosen = [DELIVERY.c.issue_id == issue_id]
    return chosen if ids is None else [*chosen, DELIVERY.c.id.in_(ids)]


def _changed(session: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
