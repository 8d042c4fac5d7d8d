"""Looking at the clock: what is due is claimed, what waits goes on. APScheduler rings; `issue_run` is the truth."""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from sqlmodel import Session, col, select

from digest.delivery.canary import Verdict
from digest.issues.period import Period
from digest.membership import retention
from digest.notify import Event, EventKind
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError
from digest.schedule import runs
from digest.schedule.clock_watch import ClockWatch
from digest.schedule.month import MONTHLY, SPECIAL, NullProgress, ProgressListener, has_begun
from digest.schedule.occurrences import Occurrence, begun, issue_date, occurrence, occurrences, steps_before
from digest.send.canary import watch_all
from digest.send.context import SendContext
from digest.send.worker import due, work
from digest.settings.root import Settings

__all__ = ["MONTHLY", "SPECIAL", "TickResult", "issue_date", "occurrences", "skip_since_backup", "tick"]

_HOST_LETTERS = 50


@dataclass(frozen=True, slots=True)
class TickResult:
    """What a look at the clock did for one period; `person` says that somebody has to do something."""

    period: str
    state: str
    step: str
    why: str
    person: bool = False


def tick(
    context: SendContext,
    *,
    trust_clock: bool = False,
    listener: ProgressListener | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> list[TickResult]:
    """Look at the clock once: go on with what waits or was left by a crash, start what is due, deliver what is due.

    Any number of ticks, on any number of machines, give one run a period: the insert under the unique key decides.
    Once `stopping` says so, the step at work ends, what is on the wire gets its answer, and the next look goes on.
    """
    watch = ClockWatch(context.delivery.settings.workspace / ".state" / "clock.json", context.engine)
    if trust_clock:
        watch.believe()
    elif objection := watch.objection():
        hint = "no run goes on. Set it right; if it is right now: digest tick --trust-clock"
        return [TickResult("clock", runs.RunState.WAITING, "", f"{objection}; {hint}", person=True)]
    now, by, listener = context.clock.now(), _name(), listener or NullProgress()
    with session_scope(context.engine) as session:
        runs.reopen_early(session, now)
        taken = runs.take_over(session, by, timedelta(seconds=context.delivery.settings.schedule.takeover), now)
    results = [_go_on(context, run, listener, stopping) for run in taken]
    results += [_go_on(context, run, listener, stopping) for run in _claims(context, by, now, stopping)]
    if stopping():
        return results
    results += _watch_canaries(context) + _keep_for_a_time(context)
    return results + _deliver_what_is_due(context, listener, stopping)


def _keep_for_a_time(context: SendContext) -> list[TickResult]:
    """Once a day, forget what `[retention]` lets be kept only for a time, and ask again whom it wants asked."""
    try:
        done = retention.apply_once_a_day(context.delivery)
    except DigestError as error:
        return [TickResult("retention", runs.RunState.WAITING, "forget", error.message)]
    counted = (
        ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in asdict(done).items() if number)
        if done
        else ""
    )
    return [TickResult("retention", runs.RunState.DONE, "forget", counted)] if counted else []


def _name() -> str:
    """Return who claims: readable, and another one for each look."""
    return f"{socket.gethostname()[:_HOST_LETTERS]}:{os.getpid()}:{secrets.token_hex(4)}"


def _claims(context: SendContext, by: str, now: datetime, stopping: Callable[[], bool]) -> Iterator[runs.IssueRun]:
    """Claim each period whose first step is due and that nobody has, the oldest first, when the one before is done."""
    with session_scope(context.engine) as session:
        since = runs.install(session, MONTHLY, now)
        known = runs.known(session, MONTHLY)
    for entry in begun(context.delivery.settings, since, now, known):
        if stopping():
            return
        with session_scope(context.engine) as session:
            run = runs.claim(session, MONTHLY, str(entry.period), entry.due_at, by=by, now=now)
        if run is not None:
            yield run


def _go_on(
    context: SendContext, run: runs.IssueRun, listener: ProgressListener, stopping: Callable[[], bool]
) -> TickResult:
    from digest.schedule.run import Progress, run_month  # noqa: PLC0415 - renderers; most looks find no run

    try:
        done = run_month(context, run, plan_of(context, run), listener, stopping)
    except runs.RunLostError as error:
        done = Progress(runs.RunState.RUNNING, run.step, error.message)
    return TickResult(run.period, done.state, done.step, done.why, done.person)


def plan_of(context: SendContext, run: runs.IssueRun) -> Occurrence:
    """Return when the steps of a run are due: as the calendar says now, until it has begun to send."""
    settings = context.delivery.settings
    if run.schedule == MONTHLY:
        plan = occurrence(settings, Period.parse(run.period))
        if plan.due_at != run.due_at and not has_begun(context, run):
            run.due_at = plan.due_at
        return plan
    return Occurrence(
        Period.of(run.due_at, settings.publication.zone), run.due_at, "", steps_before(settings, run.due_at)
    )


def _watch_canaries(context: SendContext) -> list[TickResult]:
    """Judge the canaries of issues that no run cares for: those that were sent by hand."""
    results = []
    for watched in watch_all(context):
        judgement, number = watched.judgement, watched.number
        if judgement.verdict == Verdict.HALT:
            why = f"issue {number} is held: {judgement.why}; go on with: digest outbox release {number}"
            with session_scope(context.engine) as session:
                context.notifier.tell(
                    session, Event(EventKind.HALTED, context.clock.now(), issue=number, why=why, occasion="canary")
                )
            results.append(TickResult("outbox", runs.RunState.WAITING, runs.RunStep.CANARY, why, person=True))
    return results


def _deliver_what_is_due(
    context: SendContext, listener: ProgressListener, stopping: Callable[[], bool]
) -> list[TickResult]:
    """Confirmations and other notices, and deliveries that were put off: nobody should have to remember the worker."""
    listener.step("outbox", runs.RunStep.DELIVER)
    listener.expect(due(context, None))
    try:
        done = work(context, None, relay="", progress=listener, stopping=stopping)
    except DigestError as error:
        return [TickResult("outbox", runs.RunState.WAITING, runs.RunStep.DELIVER, error.message, person=True)]
    return [TickResult("outbox", runs.RunState.DONE, runs.RunStep.DELIVER, done.words)] if done.words else []


def skip_since_backup(session: Session, settings: Settings, now: datetime) -> list[str]:
    """Keep the schedule from running again what may have run after a backup; return the periods.

    A restored database knows neither that a run was finished nor that one was begun, and without approval by a person
    the whole audience would get its issue once more.
    """
    why = "restored from a backup: it may have run already"
    begun = col(runs.IssueRun.state).in_(sorted(runs.OPEN)), col(runs.IssueRun.due_at) <= now
    rows = session.exec(select(runs.IssueRun).where(*begun)).all()
    skipped = [run.period for run in rows if runs.close(session, run, runs.RunState.SKIPPED, why, now)]
    since = runs.install(session, MONTHLY, now)
    for entry in takewhile(lambda entry: entry.due_at <= now, occurrences(settings, since)):
        state = runs.RunState.SKIPPED
        if runs.record(session, MONTHLY, str(entry.period), entry.due_at, state=state, why=why, now=now):
            skipped.append(str(entry.period))
    return skipped
