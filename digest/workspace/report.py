"""Report on issues and runs: for each issue, all recipients by delivery state or reason of exclusion."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlmodel import Session, col, select

from digest.issues.models import Issue
from digest.outbox import store
from digest.outbox.states import State
from digest.runtime.db import session_scope
from digest.schedule import runs
from digest.schedule.runs import IssueRun
from digest.send import listing
from digest.send.context import SendContext

UNREACHED = (State.REJECTED, State.EXPIRED, State.SKIPPED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class IssueAccount:
    """One issue in numbers: `states` has every state, `excluded` counts people left out, by reason.

    `missed` names who did not get it, and why, as it is read: only where one issue is asked for.
    """

    issue: int
    period: str
    state: str
    approved_by: str | None
    frozen_at: datetime | None
    sent_at: datetime | None
    planned: int
    states: Mapping[State, int]
    excluded: Mapping[str, int]
    missed: Iterable[Mapping[str, str]]

    @property
    def missed_count(self) -> int:
        """Number of those who did not get it."""
        return sum(self.states[state] for state in UNREACHED) + sum(self.excluded.values())

    def as_json(self) -> dict[str, object]:
        states = {state.value: count for state, count in self.states.items()}
        return asdict(replace(self, missed=())) | {"states": states, "missed": self.missed}


@dataclass(frozen=True, slots=True)
class RunAccount:
    """One run: its state, and each step with its times."""

    schedule: str
    period: str
    due_at: datetime
    state: str
    step: str
    why: str
    by: str
    finished_at: datetime | None
    late: str
    approved_by: str
    canary: str
    report: Mapping[str, int]
    steps: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Report:
    """The accounts of issues and of runs."""

    issues: Sequence[IssueAccount]
    runs: Sequence[RunAccount]

    def as_json(self) -> dict[str, object]:
        return {"issues": [one.as_json() for one in self.issues], "runs": [asdict(one) for one in self.runs]}


def report(context: SendContext, number: int | None) -> Report:
    """Return the account of an issue, or of all, and of the runs that belong to them (or to none)."""
    with session_scope(context.engine, read_only=True) as session:
        query = select(Issue).order_by(col(Issue.number))
        issues = session.exec(query if number is None else query.where(Issue.number == number)).all()
        ids = {issue.id for issue in issues}
        found = [run for run in reversed(runs.history(session)) if number is None or run.issue_id in ids]
        accounts = [_account(context, session, issue, named=len(issues) == 1) for issue in issues]
        return Report(accounts, [run_account(run) for run in found])


def _account(context: SendContext, session: Session, issue: Issue, *, named: bool) -> IssueAccount:
    counted = store.counts(session, issue.id or 0)
    own, moments = (issue.number, issue.period, issue.state, issue.approved_by), (issue.frozen_at, issue.sent_at)
    missed = _missed(context, issue.number) if named and issue.frozen_at else ()
    return IssueAccount(*own, *moments, sum(counted.values()), counted, dict(issue.excluded), missed)


def _missed(context: SendContext, number: int) -> Iterator[Mapping[str, str]]:
    for state in (*UNREACHED, listing.EXCLUDED):
        for one in listing.listed(context, number, state):
            yield {"address": one.address, "reason": one.why}


def run_account(run: IssueRun) -> RunAccount:
    """Return the account of a run, from what its steps noted."""
    noted = run.detail
    return RunAccount(
        run.schedule,
        run.period,
        run.due_at,
        run.state,
        run.step,
        why=noted.get("why", ""),
        by=run.claimed_by,
        finished_at=run.finished_at,
        late=noted.get("late", ""),
        approved_by=noted.get("approved_by", ""),
        canary=noted.get("canary") or noted.get("halted") or "",
        report=noted.get("report", {}),
        steps=[{"step": name, **step} for name, step in noted.get("steps", {}).items()],
    )
