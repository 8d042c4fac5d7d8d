"""Operator actions on an issue: hold, release, retry, cancel, resend. Workers are woken in the same transaction."""

from collections.abc import Collection, Sequence

from sqlmodel import Session

from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.outbox import operations, store
from digest.outbox.states import State
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.send.context import SendContext


def hold(context: SendContext, number: int | None) -> tuple[int, bool]:
    """Stop an issue; return its number and whether it was not held before."""
    with session_scope(context.engine) as session:
        issue = _find(session, number)
        return issue.number, operations.hold(session, issue.id or 0)


def release(context: SendContext, number: int | None) -> tuple[int, bool]:
    """Let an issue go on; return its number and whether it was held."""
    dispatcher = context.delivery.dispatcher
    with session_scope(context.engine) as session:
        issue = _find(session, number)
        dispatcher.announce(session, issue.number)
        return issue.number, operations.release(session, issue.id or 0)


def retry(context: SendContext, ids: Sequence[int], number: int | None) -> tuple[int, int]:
    """Make deferred deliveries (those with `ids`, or all) due; return the issue's number, and how many."""
    dispatcher = context.delivery.dispatcher
    with session_scope(context.engine) as session:
        issue = issue_of(session, ids, number, {State.DEFERRED})
        dispatcher.announce(session, issue.number)
        return issue.number, operations.retry(session, issue.id or 0, context.clock.now(), ids or None)


def cancel(context: SendContext, issue: Issue, *, reason: str, ids: Sequence[int] | None) -> int:
    """Cancel deliveries that were not started (those with `ids`, or all); finish the issue if none is left."""
    now = context.clock.now()
    with session_scope(context.engine) as session:
        count = operations.cancel(session, issue.id or 0, now, reason=reason, ids=ids)
        operations.finish(session, issue.id or 0, now)
    return count


def resend(context: SendContext, delivery_id: int) -> None:
    """Make an uncertain delivery due again, on a person's word."""
    dispatcher = context.delivery.dispatcher
    with session_scope(context.engine) as session:
        operations.resend(session, delivery_id, context.delivery.place.liveness, context.clock.now())
        dispatcher.announce(session, store.show(session, delivery_id)[0].number)


def _find(session: Session, number: int | None) -> Issue:
    if number is None:
        return issue_store.find_delivered(session, None)
    return issue_store.find(session, number, lock=True)


def issue_of(session: Session, ids: Sequence[int], number: int | None, states: Collection[State]) -> Issue:
    """Return the issue of the deliveries `ids`, else issue `number`, else the newest delivered.

    Raises UsageError for deliveries that are not in one of `states`, or not of one issue.
    """
    rows = [store.show(session, delivery_id)[0] for delivery_id in ids]
    for row in rows:
        if row.state not in states:
            wanted = " or ".join(sorted(states))
            raise UsageError(f"Delivery {row.id} is {row.state}, not {wanted}", hint=f"digest outbox show {row.id}")
    numbers = {row.number for row in rows} | ({number} if number is not None else set())
    if len(numbers) > 1:
        raise UsageError(f"These belong to several issues: {', '.join(map(str, sorted(numbers)))}")
    return issue_store.find_delivered(session, numbers.pop() if numbers else None)
