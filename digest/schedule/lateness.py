"""What becomes of a run that nobody looked at when it was due."""

from datetime import timedelta

from digest.notify import EventKind
from digest.runtime.clock import duration
from digest.runtime.db import session_scope
from digest.schedule.month import BEGUN, MONTHLY, Month, StepPaused
from digest.schedule.occurrences import occurrences
from digest.schedule.runs import RunState

LOOK_AGAIN = timedelta(minutes=5)
"""Looks at the clock are this far apart: nothing that is found within it is late."""


def lateness(month: Month) -> StepPaused | None:
    """Decide once, at the first look after a run was due: in time, missed, or for a person to say.

    What is seen in time may wait for its approval as long as it takes: it is not late.
    """
    if not month.is_due or month.noted("seen") or _begun(month):
        return None
    schedule = month.context.delivery.settings.schedule
    late = month.now - month.run.due_at
    missed = _overtaken(month, late)
    if not missed and late > duration(schedule.max_lateness):
        if schedule.late == "ask" and not month.noted("released"):
            return _ask(month, f"it is later than {schedule.max_lateness}")
        missed = f"later than {schedule.max_lateness}" if schedule.late == "skip" else ""
    if missed:
        month.tell(EventKind.MISSED, f"The run for {month.run.period} was missed: {missed}")
        return StepPaused(missed, person=True, state=RunState.MISSED)
    month.note(seen=month.now.isoformat(timespec="seconds"), late=str(late) if late > LOOK_AGAIN else "")
    return None


def _begun(month: Month) -> bool:
    with session_scope(month.context.engine, read_only=True) as session:
        issue = month.find_issue(session)
    return issue is not None and issue.state in BEGUN


def _overtaken(month: Month, late: timedelta) -> str:
    if month.run.schedule != MONTHLY or late <= LOOK_AGAIN:
        return ""
    settings = month.context.delivery.settings
    if settings.schedule.catch_up == "none":
        return "nobody looked at the clock when it was due, and nothing is made up for"
    newer = next(occurrences(settings, month.plan.due_at))
    return f"the run for {newer.period} is due already" if newer.due_at <= month.now else ""


def _ask(month: Month, why: str) -> StepPaused:
    period = month.run.period
    text = f"The run for {period} waits: {why}. `digest schedule release {period}` sends it, `skip` leaves it out."
    month.tell(EventKind.HALTED, text, occasion="late")
    return StepPaused(text, person=True)
