"""The calendar and what became of its runs: missed, failed, stuck, or looked at by nobody."""

from collections.abc import Iterator
from datetime import timedelta

from sqlmodel import Session, col, select

from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.render.checks import Severity
from digest.runtime.clock import duration
from digest.schedule import runs as run_store
from digest.schedule.runs import IssueRun, RunState
from digest.schedule.tick import MONTHLY, occurrences
from digest.schedule.unclaimed import unclaimed
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

TOLD_FOR = timedelta(days=45)
"""After so long a missed run is history, not a task."""
LOOKED_AT_WITHIN = timedelta(minutes=15)


def rule(context: DoctorContext) -> Iterator[Diagnosis]:
    """The rule is one that we understand, and something is due by it. A mistake is told by the caller."""
    if next(occurrences(context.settings, context.clock.now()), None) is None:
        yield Diagnosis("schedule", Severity.BLOCK, "By [schedule] rule nothing is ever due", "Correct the rule.")


def runs(context: DoctorContext) -> Iterator[Diagnosis]:
    """Nothing was missed or is stuck, and somebody looks at the clock."""
    if context.trouble is not None:
        return
    now = context.clock.now()
    with context.reading() as session:
        for run in run_store.history(session):
            if run.schedule == MONTHLY and now - run.due_at <= TOLD_FOR and not _was_published(session, run):
                yield from _ailments(run, context)
        yield from _unclaimed(session, context)


def _ailments(run: IssueRun, context: DoctorContext) -> Iterator[Diagnosis]:
    now, why = context.clock.now(), run.detail.get("why", "")
    silent = 2 * timedelta(seconds=context.settings.schedule.takeover)
    if run.state in {RunState.MISSED, RunState.FAILED}:
        remedy = f"If it is still wanted: digest issue assemble --period {run.period}, approve, send."
        yield Diagnosis(f"run-{run.state}", Severity.ADVISE, f"The run for {run.period} was {run.state}: {why}", remedy)
    elif run.state == RunState.RUNNING and now - run.heartbeat_at > silent:
        message = f"The run for {run.period} was left in its step {run.step or 'assemble'!r} and nobody goes on"
        remedy = "Start `digest schedule run`, or `digest tick` from cron or a systemd timer: it goes on where it was."
        yield Diagnosis("run-stuck", Severity.BLOCK, message, remedy)
    elif run.state == RunState.WAITING and now - run.due_at > duration(context.settings.schedule.max_lateness):
        message = f"The run for {run.period} waits since {run.due_at:%Y-%m-%d}: {why}"
        remedy = "Do what it waits for (digest schedule history), or withdraw the issue."
        yield Diagnosis("run-waiting", Severity.BLOCK, message, remedy)


def _was_published(session: Session, run: IssueRun) -> bool:
    """Whether a person has made up for it."""
    sent = select(Issue.id).where(Issue.period == run.period, col(Issue.state) == IssueState.SENT.value)
    return session.exec(sent).first() is not None


def _unclaimed(session: Session, context: DoctorContext) -> Iterator[Diagnosis]:
    entry = unclaimed(session, context.settings, context.clock.now() - LOOKED_AT_WITHIN)
    if entry is not None:
        message = (
            f"The run for {entry.period} was to begin at {entry.begins_at:%Y-%m-%d %H:%M}, and nobody has begun it"
        )
        remedy = "Start `digest schedule run`, or `digest tick` from cron or a systemd timer."
        yield Diagnosis("run-unclaimed", Severity.BLOCK, message, remedy)
