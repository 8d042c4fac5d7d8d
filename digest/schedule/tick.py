"""One tick of the schedule: claim runs that are due, continue those that wait, deliver what is due."""

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from sqlmodel import Session, col, select

from digest.issues.models import Issue
from digest.issues.period import Period
from digest.membership import retention
from digest.outbox import operations
from digest.outbox.states import NEEDS_A_PERSON
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError
from digest.schedule import runs
from digest.schedule.clock_watch import ClockWatch
from digest.schedule.month import MONTHLY, NullProgress, ProgressListener, has_begun
from digest.schedule.occurrences import Occurrence, begun, occurrence, occurrences, steps_before
from digest.send.canary import watch_all
from digest.send.context import SendContext
from digest.send.operator_events import tell_of_reports
from digest.send.worker import due, work
from digest.settings.root import Settings

_HOST_LETTERS = 50


@dataclass(frozen=True, slots=True)
class TickResult:
    """What a tick did for one period; `person`: it waits for a person's action."""

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
    """Continue runs that wait or were left by a crash, start those that are due, and deliver what is due.

    Any number of ticks, on any number of machines, give one run a period: the insert under the unique key decides.
    Once `stopping()` is true the current step ends after the message on the wire, and the next tick goes on.
    """
    watch = ClockWatch(context.delivery.settings.workspace / ".state" / "clock.json", context.engine)
    if trust_clock:
        watch.believe()
    elif objection := watch.objection():
        hint = "no run continues. Correct the clock; if it is right now: digest tick --trust-clock"
        return [TickResult("clock", runs.RunState.WAITING, "", f"{objection}; {hint}", person=True)]
    now, by, listener = context.clock.now(), _name(), listener or NullProgress()
    with session_scope(context.engine) as session:
        runs.reopen_early(session, now)
        taken = runs.take_over(session, by, timedelta(seconds=context.delivery.settings.schedule.takeover), now)
    results = [_go_on(context, run, listener, stopping) for run in taken]
    results += [_go_on(context, run, listener, stopping) for run in _claims(context, by, now, stopping)]
    if stopping():
        return results
    watch_all(context)
    tell_of_reports(context)
    results += _keep_for_a_time(context)
    results += _deliver_what_is_due(context, listener, stopping)
    return results + _held(context, results)


def _keep_for_a_time(context: SendContext) -> list[TickResult]:
    """Apply [retention] once a day: forget what is past its time, and ask for consent again."""
    try:
        done = retention.apply_once_a_day(context.delivery)
    except DigestError as error:
        return [TickResult("retention", runs.RunState.WAITING, "forget", error.message)]
    numbers = asdict(done) if done else {}
    counted = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in numbers.items() if number)
    return [TickResult("retention", runs.RunState.DONE, "forget", counted)] if counted else []


def _name() -> str:
    """Return the owner's name for claims, unique to this tick: HOST:PID:RANDOM."""
    return f"{socket.gethostname()[:_HOST_LETTERS]}:{os.getpid()}:{secrets.token_hex(4)}"


def _claims(context: SendContext, by: str, now: datetime, stopping: Callable[[], bool]) -> Iterator[runs.IssueRun]:
    """Claim each unclaimed period whose first step is due, the oldest first, each when the one before is done."""
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
    from digest.schedule.run import Progress, run_month  # noqa: PLC0415 - renderers; most ticks find no run

    try:
        done = run_month(context, run, plan_of(context, run), listener, stopping)
    except runs.RunLostError as error:
        done = Progress(runs.RunState.RUNNING, run.step, error.message)
    return TickResult(run.period, done.state, done.step, done.why, done.person)


def plan_of(context: SendContext, run: runs.IssueRun) -> Occurrence:
    """Return when the steps of a run are due: by the calendar as it is now, until sending has begun."""
    settings = context.delivery.settings
    if run.schedule == MONTHLY:
        plan = occurrence(settings, Period.parse(run.period))
        if plan.due_at != run.due_at and not has_begun(context, run):
            run.due_at = plan.due_at
        return plan
    period = Period.of(run.due_at, settings.publication.zone)
    return Occurrence(period, run.due_at, "", steps_before(settings, run.due_at))


def _deliver_what_is_due(
    context: SendContext, listener: ProgressListener, stopping: Callable[[], bool]
) -> list[TickResult]:
    """Deliver notices, such as confirmations, and deferred deliveries, so that no worker has to be started by hand."""
    listener.step("outbox", runs.RunStep.DELIVER)
    listener.expect(due(context, None))
    try:
        done = work(context, None, relay="", progress=listener, stopping=stopping)
    except DigestError as error:
        return [TickResult("outbox", runs.RunState.WAITING, runs.RunStep.DELIVER, error.message, person=True)]
    person = bool(done.uncertain) or any(done.outcomes[state] for state in NEEDS_A_PERSON)
    done_now = TickResult("outbox", runs.RunState.DONE, runs.RunStep.DELIVER, done.words, person=person)
    return [done_now] if done.words or person else []


def _held(context: SendContext, told: Sequence[TickResult]) -> list[TickResult]:
    """Return the issues that are held, but those that a run has told, or an operator holds."""
    with session_scope(context.engine, read_only=True) as session:
        query = select(Issue.number, Issue.held_reason).where(operations.HELD_BY_US)
        rows = session.exec(query.order_by(col(Issue.number))).all()
    texts = [f"issue {number} is held: {why}" for number, why in rows]
    new = [text for text in texts if not any(text in one.why for one in told)]
    return [TickResult("outbox", runs.RunState.WAITING, runs.RunStep.DELIVER, text, person=True) for text in new]


def skip_since_backup(session: Session, settings: Settings, now: datetime) -> list[str]:
    """Skip the runs that may have happened after a backup, which a restored database does not know; return the periods.

    Without approval by a person the whole audience would get its issue once more.
    """
    why, state = "restored from a backup: it may already have run", runs.RunState.SKIPPED
    begun = col(runs.IssueRun.state).in_(sorted(runs.OPEN)), col(runs.IssueRun.due_at) <= now
    rows = session.exec(select(runs.IssueRun).where(*begun)).all()
    skipped = [run.period for run in rows if runs.close(session, run, state, why, now)]
    since = runs.install(session, MONTHLY, now)
    past = takewhile(lambda entry: entry.due_at <= now, occurrences(settings, since))
    due = [(str(entry.period), entry.due_at) for entry in past]
    return skipped + [p for p, at in due if runs.record(session, MONTHLY, p, at, state=state, why=why, now=now)]
