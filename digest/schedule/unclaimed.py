"""Detection of a run that is due and not claimed, since no process ticks. For doctor and metrics."""

from datetime import datetime

from sqlmodel import Session, select

from digest.schedule.month import MONTHLY
from digest.schedule.occurrences import Occurrence, begun
from digest.schedule.runs import INSTALLED, IssueRun
from digest.settings.root import Settings


def unclaimed(session: Session, settings: Settings, now: datetime) -> Occurrence | None:
    """Return the first occurrence that should have begun by `now` and has no run; None before the first tick."""
    rows = session.exec(select(IssueRun).where(IssueRun.schedule == MONTHLY)).all()
    since = next((run.due_at for run in rows if run.period == INSTALLED), None)
    if since is None or since > now:
        return None
    return next(begun(settings, since, now, {run.period for run in rows}), None)
