"""A run that is due and that nobody has begun: whoever should look at the clock does not. For doctor and metrics."""

from datetime import datetime

from sqlmodel import Session, select

from digest.schedule.month import MONTHLY
from digest.schedule.occurrences import Occurrence, begun
from digest.schedule.runs import INSTALLED, IssueRun
from digest.settings.root import Settings


def unclaimed(session: Session, settings: Settings, now: datetime) -> Occurrence | None:
    """Return the first occurrence that should have begun by `now` and has no run; None before anybody has looked."""
    rows = session.exec(select(IssueRun).where(IssueRun.schedule == MONTHLY)).all()
    since = next((run.due_at for run in rows if run.period == INSTALLED), None)
    if since is None or since > now:  # who has just begun to look has had no time yet
        return None
    return next(begun(settings, since, now, {run.period for run in rows}), None)
