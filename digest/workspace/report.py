"""What became of each month and of each reader: an account that adds up, for issues and for runs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from digest.issues.models import Issue
from digest.outbox import store
from digest.runtime.db import session_scope
from digest.schedule import runs
from digest.schedule.runs import IssueRun


def report(engine: Engine, number: int | None) -> dict[str, Any]:
    """Return the account of an issue, or of all, and of the runs that belong to them (or to none)."""
    with session_scope(engine, read_only=True) as session:
        query = select(Issue).order_by(col(Issue.number))
        issues = session.exec(query if number is None else query.where(Issue.number == number)).all()
        ids = {issue.id for issue in issues}
        found = [run for run in reversed(runs.history(session)) if number is None or run.issue_id in ids]
        return {"issues": [_account(session, issue) for issue in issues], "runs": accounts(found)}


def _account(session: Session, issue: Issue) -> dict[str, Any]:
    counted = store.counts(session, issue.id or 0)
    return {
        "issue": issue.number,
        "period": issue.period,
        "state": issue.state,
        "approved_by": issue.approved_by,
        "frozen_at": issue.frozen_at,
        "sent_at": issue.sent_at,
        "planned": sum(counted.values()),
        "states": {state.value: count for state, count in counted.items()},
        "excluded": dict(issue.excluded),
    }


def accounts(found: Sequence[IssueRun]) -> list[dict[str, Any]]:
    """Return runs as `schedule history --json` prints them: what became of each, and its steps with their times."""
    return [
        {
            "schedule": run.schedule,
            "period": run.period,
            "due_at": run.due_at,
            "state": run.state,
            "step": run.step,
            "why": run.detail.get("why", ""),
            "by": run.claimed_by,
            "finished_at": run.finished_at,
            "late": run.detail.get("late", ""),
            "approved_by": run.detail.get("approved_by", ""),
            "canary": run.detail.get("canary") or run.detail.get("halted") or "",
            "report": run.detail.get("report", {}),
            "steps": [{"step": name, **noted} for name, noted in run.detail.get("steps", {}).items()],
        }
        for run in found
    ]
