"""Status of an issue's deliveries: counts by state, mailbox family and relay, rate, waits, and ETA."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from digest.delivery.configured_pace import gauges
from digest.delivery.worker.place import WorkerPlace
from digest.delivery.worker.progress import ScopeWait
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.outbox import statistics, store
from digest.outbox.states import DUE, State
from digest.outbox.statistics import PresentWorker
from digest.runtime.db import session_scope
from digest.send.context import SendContext
from digest.settings.opened import OpenWorkspace


def _by_name(counts: Mapping[State, int]) -> dict[str, int]:
    return {state.value: count for state, count in counts.items()}


def way_out(number: int, states: Mapping[State, int]) -> tuple[str, ...]:
    """Return the commands that let a held issue go on, given its deliveries by state. Pure."""
    retries = {State.DEFERRED: "", State.REJECTED: " --state rejected"}
    if states[State.ACCEPTED]:
        del retries[State.REJECTED]  # the relay takes our mail: those mailboxes are at fault
    again = [f"digest outbox retry --issue {number}{option}" for state, option in retries.items() if states[state]]
    going_on = (f"digest send {number}",) if again or states[State.PENDING] else ()
    if states[State.UNCERTAIN]:
        again = [f"digest outbox list {number} --state uncertain", "digest outbox reconcile", *again]
    elif not going_on and not states[State.ACCEPTED]:
        return (f"digest issue withdraw {number}",)
    return *again, f"digest outbox release {number}", *going_on


@dataclass(frozen=True, slots=True)
class IssueStatus:
    """An issue's deliveries in numbers: `states` has every state, `excluded` counts people left out, by reason."""

    number: int
    state: str
    held_reason: str | None
    rest_at: datetime | None
    states: Mapping[State, int]
    excluded: Mapping[str, int]
    next_due: datetime | None

    @property
    def held(self) -> bool:
        return self.held_reason is not None

    @property
    def planned(self) -> int:
        return sum(self.states.values())

    @property
    def reached(self) -> dict[State, int]:
        """The states that have deliveries."""
        return {state: count for state, count in self.states.items() if count}

    def as_json(self) -> dict[str, object]:
        return {
            "issue": self.number,
            "state": self.state,
            "held": self.held,
            "held_reason": self.held_reason,
            "rest_at": self.rest_at,
            "planned": self.planned,
            "states": _by_name(self.states),
            "excluded": dict(self.excluded),
            "next_due": self.next_due,
            "next": list(way_out(self.number, self.states)) if self.held else [],
        }


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait of `issue:N` or of a rate limit's scope, until when (None: until a person releases it), and why."""

    scope: str
    until: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class DetailedStatus:
    """A status with what an operator watches; `relays` has attempts by outcome, `rate` is messages a second."""

    status: IssueStatus
    families: Mapping[str, Mapping[State, int]]
    relays: Mapping[str, Mapping[str, int]]
    rate: float
    waiting: Sequence[Waiting]
    workers: Sequence[PresentWorker]
    eta: datetime | None

    def as_json(self) -> dict[str, object]:
        return self.status.as_json() | {
            "families": {name: _by_name(counts) for name, counts in self.families.items()},
            "relays": dict(self.relays),
            "rate": self.rate,
            "waiting": [asdict(one) for one in self.waiting],
            "workers": [asdict(one) for one in self.workers],
            "eta": self.eta,
        }


def status(context: SendContext, number: int | None) -> IssueStatus:
    """Return the status of an issue (None: the newest that is on its way)."""
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        return _status(session, issue, store.counts(session, issue.id or 0))


def _status(session: Session, issue: Issue, counted: Mapping[State, int]) -> IssueStatus:
    due = store.next_due(session, issue.id or 0)
    reason = issue.held_reason if issue.held else None
    return IssueStatus(issue.number, issue.state, reason, issue.rest_at, counted, dict(issue.excluded), due)


def details(opened: OpenWorkspace, number: int | None) -> DetailedStatus:
    """Return the status of an issue with families, relays, rate, waits, workers, and ETA."""
    now = opened.clock.now()
    with session_scope(opened.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        families = statistics.by_family(session, issue.id or 0)
        counted = {state: sum(counts.get(state, 0) for counts in families.values()) for state in State}
        attempted = statistics.attempted(session, issue.id or 0, now)
        workers = statistics.present(session, WorkerPlace.of(opened.settings.workspace).liveness)
        meter = gauges(opened.settings)
        meter.refresh(session)
        summary = _status(session, issue, counted)
    waits = meter.waits(now)
    going = issue.state == IssueState.SENDING
    rate = attempted.rate(now) if going else 0.0
    # mailboxes of no family wait by domain, and are not distinguished here
    open_families = {name for name, counts in families.items() if DUE & counts.keys()}
    end = eta(counted, rate, waits, open_families, now) if going and not issue.held else None
    waiting = [*_of_issue(issue), *(Waiting(one.scope, one.until, one.why) for one in waits)]
    return DetailedStatus(summary, families, attempted.relays, round(rate, 2), waiting, workers, end)


def _of_issue(issue: Issue) -> list[Waiting]:
    scope = f"issue:{issue.number}"
    if issue.held:
        return [Waiting(scope, None, f"it is held: {issue.held_reason}")]
    if issue.rest_at is not None:
        return [Waiting(scope, issue.rest_at, "so far only the canary group has it")]
    return []


def eta(
    counted: Mapping[State, int], rate: float, waits: Sequence[ScopeWait], open_families: set[str], now: datetime
) -> datetime | None:
    """Return when the last is likely to be sent at `rate` messages a second, no family before its wait is over.

    None if there is no rate, or nothing is left but deferred deliveries. Pure.
    """
    remaining = counted[State.PENDING] + counted[State.STARTED]
    if remaining == 0 or rate <= 0:
        return None
    kept_back = [wait.until for wait in waits if wait.scope.removeprefix("family:") in open_families]
    return max([now + timedelta(seconds=remaining / rate), *kept_back])
