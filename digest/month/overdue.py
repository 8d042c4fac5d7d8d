"""A run that is due and that nobody has begun: whoever should look at the clock does not. For doctor and metrics."""

from datetime import datetime
from itertools import takewhile

from sqlmodel import Session, select

from digest.month.forecast import Occurrence, occurrences
from digest.month.state import MONTHLY
from digest.runs import IssueRun, RunState
from digest.runtime.settings import Settings


def unclaimed(session: Session, settings: Settings, now: datetime) -> Occurrence | None:
    """Return the first occurrence up to `now` without a run; None where nobody has asked for the calendar yet."""
    rows = session.exec(select(IssueRun).where(IssueRun.schedule == MONTHLY)).all()
    # What was skipped lies ahead: it must not hide the periods in between.
    since = max((run.due_at for run in rows if run.state != RunState.SKIPPED), default=None)
    if since is None:
        return None
    known = {run.period for run in rows}
    due = takewhile(lambda entry: entry.due_at <= now, occurrences(settings, since))
    return next((entry for entry in due if str(entry.period) not in known), None)
