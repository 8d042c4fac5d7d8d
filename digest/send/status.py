"""How an issue stands on its way: in numbers that add up, by family and relay, how fast, and what it waits for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from digest.delivery.configured_pace import gauges
from digest.delivery.worker.place import WorkerPlace
from digest.delivery.worker.progress import ScopeWait
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.outbox import figures, store
from digest.outbox.states import DUE, State
from digest.runtime.db import session_scope
from digest.send.context import SendContext
from digest.settings.opened import OpenWorkspace


def status(context: SendContext, number: int | None) -> dict[str, Any]:
    """Return how an issue stands: planned, every state with its count, and who was left out, by reason."""
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        counted = store.counts(session, issue.id or 0)
        return _status(session, issue, counted)


def _status(session: Session, issue: Issue, counted: Mapping[State, int]) -> dict[str, Any]:
    return {
        "issue": issue.number,
        "state": issue.state,
        "held": issue.held,
        "rest_at": issue.rest_at,
        "planned": sum(counted.values()),
        "states": {state.value: count for state, count in counted.items()},
        "excluded": dict(issue.excluded),
        "next_due": store.next_due(session, issue.id or 0),
    }


def details(opened: OpenWorkspace, number: int | None) -> dict[str, Any]:
    """Return `status` and all that an operator watches: families, relays, rate, waits, workers, and the end."""
    now = opened.clock.now()
    with session_scope(opened.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        issue_id = issue.id or 0
        families = figures.by_family(session, issue_id)
        counted = {state: sum(counts.get(state, 0) for counts in families.values()) for state in State}
        attempted = figures.attempted(session, issue_id, now)
        workers = figures.present(session, WorkerPlace.of(opened.settings.workspace).liveness)
        meter = gauges(opened.settings)
        meter.refresh(session)
        told = _status(session, issue, counted)
    waits = meter.waits(now)
    going = issue.state == IssueState.SENDING
    rate = attempted.rate(now) if going else 0.0
    # mailboxes of no family wait by domain, and are not told apart here
    open_families = {name for name, counts in families.items() if DUE & counts.keys()}
    return told | {
        "families": {name: {state.value: count for state, count in of.items()} for name, of in families.items()},
        "relays": attempted.relays,
        "rate": round(rate, 2),
        "waiting": _held(issue) + [{"scope": one.scope, "until": one.until, "why": one.why} for one in waits],
        "workers": workers,
        "eta": eta(counted, rate, waits, open_families, now) if going and not issue.held else None,
    }


def _held(issue: Issue) -> list[dict[str, Any]]:
    scope = f"issue:{issue.number}"
    if issue.held:
        return [{"scope": scope, "until": None, "why": "it is held"}]
    if issue.rest_at is not None:
        return [{"scope": scope, "until": issue.rest_at, "why": "only its first readers have it yet (canary)"}]
    return []


def eta(
    counted: Mapping[State, int], rate: float, waits: Sequence[ScopeWait], open_families: set[str], now: datetime
) -> datetime | None:
    """Return when the last is likely to be sent at `rate` (a second), no family before its wait is over.

    None when it cannot be told: nothing is under way, nothing is left, or only what servers have put off. Pure.
    """
    remaining = counted[State.PENDING] + counted[State.STARTED]
    if remaining == 0 or rate <= 0:
        return None
    kept_back = [wait.until for wait in waits if wait.scope.removeprefix("family:") in open_families]
    return max([now + timedelta(seconds=remaining / rate), *kept_back])
