"""Late runs: started after all, recorded as missed, or left to a person, as [schedule] says."""

from datetime import timedelta

from digest.notify import EventKind
from digest.runtime.clock import duration
from digest.schedule.month import MONTHLY, Month, StepPaused, has_begun
from digest.schedule.occurrences import occurrences
from digest.schedule.runs import RunState

LOOK_AGAIN = timedelta(minutes=5)
"""Ticks are this far apart: a run found within it is in time."""


def lateness(month: Month) -> StepPaused | None:
    """Decide once, at the first tick after a run was due, whether it is in time (None), missed, or for a person to say.

    A run that was seen in time may wait for its approval as long as it takes.
    """
    if not month.is_due or month.noted("seen") or has_begun(month.context, month.run):
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


def _overtaken(month: Month, late: timedelta) -> str:
    if month.run.schedule != MONTHLY or late <= LOOK_AGAIN:
        return ""
    settings = month.context.delivery.settings
    if settings.schedule.catch_up == "none":
        return "no tick took place when it was due, and missed runs are not made up for"
    newer = next(occurrences(settings, month.plan.due_at))
    return f"the run for {newer.period} is already due" if newer.due_at <= month.now else ""


def _ask(month: Month, why: str) -> StepPaused:
    period = month.run.period
    text = (
        f"The run for {period} is waiting: {why}. To send it: digest schedule release {period}. To leave it "
        f"out: digest schedule skip {period}"
    )
    month.tell(EventKind.HALTED, text, occasion="late")
    return StepPaused(text, person=True)
