"""The steps of a run in order: assemble, check, approve, freeze, canary, deliver, report. Each is idempotent.

A tick starts at the first step: steps that are done return at once, and the first that has to wait ends the tick. So
the next tick resumes where the last one stopped, also after a crash.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from digest.runtime.errors import DigestError
from digest.schedule import runs, steps
from digest.schedule.heartbeat import Heartbeat
from digest.schedule.lateness import lateness
from digest.schedule.month import Month, ProgressListener, StepPaused
from digest.schedule.occurrences import Occurrence
from digest.schedule.runs import IssueRun, RunState, RunStep
from digest.send.context import SendContext

STEPS: tuple[tuple[RunStep, Callable[[Month], StepPaused | None]], ...] = (
    (RunStep.ASSEMBLE, steps.assemble),  # days before: the draft of the period
    (RunStep.CHECK, steps.check),  # what the checks say of it
    (RunStep.APPROVE, steps.approve),  # reminds; waits for the approval and for the time to send
    (RunStep.FREEZE, steps.freeze),  # one delivery for each recipient
    (RunStep.CANARY, steps.canary),  # the first few, and their outcomes
    (RunStep.DELIVER, steps.deliver),  # until every delivery has ended
    (RunStep.REPORT, steps.report),  # the numbers, and whether a person has to act
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scheduled run has come; `person`: it waits for a person's action."""

    state: RunState
    step: str
    why: str = ""
    person: bool = False


def run_month(
    context: SendContext, run: IssueRun, plan: Occurrence, listener: ProgressListener, stopping: Callable[[], bool]
) -> Progress:
    """Continue a run that this process has claimed, as far as it goes now; `stopping` is asked before each step."""
    month = Month(context, run, plan, listener, stopping)
    with Heartbeat(context.engine, run, timedelta(seconds=context.delivery.settings.schedule.takeover)) as heartbeat:
        if wait := lateness(month):
            month.end(RunStep.LATE, wait)
            return Progress(wait.state, RunStep.LATE, wait.why, wait.person)
        for name, step in STEPS:
            if heartbeat.lost:
                raise runs.RunLostError(f"Another process has taken over the run of {run.period}")
            wait = month.stop(name) if month.stopping() else _do(month, name, step)
            if wait is not None:
                return Progress(wait.state, name, wait.why, wait.person)
    return Progress(RunState.DONE, STEPS[-1][0])


def _do(month: Month, name: RunStep, step: Callable[[Month], StepPaused | None]) -> StepPaused | None:
    month.listener.step(month.run.period, name)
    month.begin(name)
    try:
        wait = step(month)
    except runs.RunLostError:
        raise
    except DigestError as error:  # a person must read it, and the next tick tries again
        wait = StepPaused(error.message, person=True)
    month.end(name, wait)
    return wait
