"""Accounts of scheduled runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.schedule.runs import IssueRun


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
