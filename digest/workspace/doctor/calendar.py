"""Checks of the schedule: its rule, and runs that were missed, failed, stuck, or never claimed."""

from collections.abc import Iterator
from datetime import timedelta

from sqlmodel import Session, col, select

from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.render.checks import Severity
from digest.runtime.clock import duration
from digest.schedule import runs as run_store
from digest.schedule.month import MONTHLY
from digest.schedule.occurrences import occurrences
from digest.schedule.runs import IssueRun, RunState
from digest.schedule.unclaimed import unclaimed
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

REPORTED_FOR = timedelta(days=45)
"""An older run is history, not a task."""
TICK_WITHIN = timedelta(minutes=15)


def rule(context: DoctorContext) -> Iterator[Diagnosis]:
    """Something is due by the rule. An invalid rule is reported by the caller."""
    if next(occurrences(context.settings, context.clock.now()), None) is None:
        yield Diagnosis(
            "schedule", Severity.BLOCK, "With this [schedule] rule, no run is ever due", "Correct the rule."
        )


def runs(context: DoctorContext) -> Iterator[Diagnosis]:
    """Nothing was missed or is stuck, and some process ticks."""
    now = context.clock.now()
    with context.session() as session:
        for run in run_store.history(session):
            if run.schedule == MONTHLY and now - run.due_at <= REPORTED_FOR and not _was_published(session, run):
                yield from _diagnoses(run, context)
        entry = unclaimed(session, context.settings, now - TICK_WITHIN)
    if entry is not None:
        message = f"The run for {entry.period} was due to start at {entry.begins_at:%Y-%m-%d %H:%M} but has not started"
        remedy = "Start `digest schedule run`, or `digest tick` from cron or a systemd timer."
        yield Diagnosis("run-unclaimed", Severity.BLOCK, message, remedy)


def _diagnoses(run: IssueRun, context: DoctorContext) -> Iterator[Diagnosis]:
    now, why = context.clock.now(), run.detail.get("why", "")
    silent = 2 * timedelta(seconds=context.settings.schedule.takeover)
    if run.state in {RunState.MISSED, RunState.FAILED}:
        remedy = f"If you still want to send it: digest issue assemble --period {run.period}, then approve and send it."
        yield Diagnosis(f"run-{run.state}", Severity.ADVISE, f"The run for {run.period} was {run.state}: {why}", remedy)
    elif run.state == RunState.RUNNING and now - run.heartbeat_at > silent:
        message = f"The run for {run.period} stopped in its step {run.step or 'assemble'!r} and no process continues it"
        remedy = (
            "Start `digest schedule run`, or `digest tick` from cron or a systemd timer. The run resumes "
            "where it stopped."
        )
        yield Diagnosis("run-stuck", Severity.BLOCK, message, remedy)
    elif run.state == RunState.WAITING and now - run.due_at > duration(context.settings.schedule.max_lateness):
        message = f"The run for {run.period} has been waiting since {run.due_at:%Y-%m-%d}: {why}"
        remedy = "Do what it is waiting for (digest schedule history), or withdraw the issue."
        yield Diagnosis("run-waiting", Severity.BLOCK, message, remedy)


def _was_published(session: Session, run: IssueRun) -> bool:
    """Whether a person has published the issue instead."""
    sent = select(Issue.id).where(Issue.period == run.period, col(Issue.state) == IssueState.SENT.value)
    return session.exec(sent).first() is not None
