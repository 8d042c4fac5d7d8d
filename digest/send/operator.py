"""Operator actions on an issue: hold, release, retry, cancel, resend. Workers are woken in the same transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from digest.accounts import audit
from digest.accounts.audit import Actor
from digest.delivery.outcome import clean_reply
from digest.feedback import consequences
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.outbox import breaker, operations, store
from digest.outbox.states import State
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError, UsageError
from digest.send.context import SendContext


def hold(context: SendContext, number: int | None, by: Actor | None = None, reason: str = "") -> tuple[int, bool]:
    """Stop an issue, for a `reason` if one is given; return its number and whether it was not held before."""
    with session_scope(context.engine) as session:
        issue = _find(session, number)
        _note(context, session, by, "hold", issue.number, reason=reason)
        why = f"{operations.BY_OPERATOR}: {reason}" if reason else operations.BY_OPERATOR
        return issue.number, operations.hold(session, issue.id or 0, why)


def release(context: SendContext, number: int | None, by: Actor | None = None) -> tuple[int, bool]:
    """Let an issue go on; return its number and whether it was held."""
    dispatcher = context.delivery.dispatcher
    with session_scope(context.engine) as session:
        issue = _find(session, number, lock=False)
        _note(context, session, by, "release", issue.number, was_held_for=issue.held_reason)
        dispatcher.announce(session, issue.number)
        was_held = breaker.release(session, issue.id or 0, context.clock.now())
        session.flush()
        consequences.apply(session, context.clock.now(), context.delivery.breaker_limits)
        return issue.number, was_held


@dataclass(frozen=True, slots=True)
class Retry:
    """What `outbox retry` would make due again: `count` deliveries in `state`; `bounced` ones stay as they are.

    `held` is why the issue is held, empty if it is not.
    """

    issue_id: int
    number: int
    state: State
    ids: Sequence[int]
    count: int
    bounced: int
    held: str

    def as_json(self) -> dict[str, object]:
        return {"issue": self.number, "state": self.state.value, "bounced": self.bounced}


def plan_retry(context: SendContext, ids: Sequence[int], number: int | None, state: State | None) -> Retry:
    """Find deliveries (those with `ids`, or all of the issue in `state`) that can be made due again.

    Without a state it is that of the deliveries named, or deferred. Raises RefusedError for a withdrawn issue.
    """
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_of(session, ids, number, {state} if state else {State.DEFERRED, State.REJECTED})
        if issue.state == IssueState.WITHDRAWN:
            raise RefusedError(f"Issue {issue.number} is withdrawn; nothing more of it is sent")
        states = {store.show(session, delivery_id)[0].state for delivery_id in ids}
        if len(states) > 1:
            raise UsageError(
                "Some of these deliveries are deferred and some are rejected",
                hint="Use two commands, one for each state.",
            )
        chosen = state or (states.pop() if states else State.DEFERRED)
        count = store.count(session, *operations.retriable(issue.id or 0, chosen, ids or None))
        in_state = len(ids) or store.counts(session, issue.id or 0)[chosen]
    return Retry(issue.id or 0, issue.number, chosen, ids, count, in_state - count, issue.held_reason)


def retry(context: SendContext, plan: Retry, *, reason: str, by: Actor | None = None) -> int:
    """Make due again what the plan found, in an issue that counts as sent, too; return how many."""
    dispatcher = context.delivery.dispatcher
    with session_scope(context.engine) as session:
        dispatcher.announce(session, plan.number)
        why = f"due again: {clean_reply(reason)}" if reason else "due again, by an operator"
        now, ids = context.clock.now(), plan.ids or None
        count = operations.retry(session, plan.issue_id, plan.state, now, why=why, ids=ids)
        _note(context, session, by, "retry", plan.number, deliveries=count, reason=reason)
        return count


def cancel(
    context: SendContext, issue: Issue, *, reason: str, ids: Sequence[int] | None, by: Actor | None = None
) -> int:
    """Cancel deliveries that were not started (those with `ids`, or all); finish the issue if none is left."""
    now = context.clock.now()
    with session_scope(context.engine) as session:
        count = operations.cancel(session, issue.id or 0, now, reason=reason, ids=ids)
        operations.finish(session, issue.id or 0, now)
        _note(context, session, by, "cancel", issue.number, deliveries=count, reason=reason)
    return count


def resend(context: SendContext, delivery_id: int, by: Actor | None = None) -> None:
    """Make an uncertain delivery due again, on a person's word."""
    dispatcher = context.delivery.dispatcher
    with session_scope(context.engine) as session:
        operations.resend(session, delivery_id, context.delivery.place.liveness, context.clock.now())
        number = store.show(session, delivery_id)[0].number
        dispatcher.announce(session, number)
        _note(context, session, by, "resend", number, delivery=delivery_id)


def _note(
    context: SendContext, session: Session, by: Actor | None, what: str, number: int, **details: str | int | None
) -> None:
    """Write a person's act into the audit log; without a person the schedule acts, and has its own history."""
    if by is not None:
        audit.record(session, by, what, f"issue {number}", now=context.clock.now(), **details)


def _find(session: Session, number: int | None, *, lock: bool = True) -> Issue:
    if number is None:
        return issue_store.find_delivered(session, None)
    return issue_store.find(session, number, lock=lock)


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
        raise UsageError(f"These deliveries belong to several issues: {', '.join(map(str, sorted(numbers)))}")
    return issue_store.find_delivered(session, numbers.pop() if numbers else None)
