"""When the month's run is due. APScheduler is the alarm clock; `issue_run` (digest.runs) is the truth."""

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from digest import retention, runs
from digest.bootstrap import Works
from digest.delivering import work
from digest.issues.period import Period
from digest.runtime.clock import duration
from digest.runtime.db import session_scope
from digest.runtime.errors import ConfigError, DigestError, RefusedError
from digest.runtime.settings import Schedule, Settings
from digest.sending import Progress, run_month

_NTH = re.compile(r"(1st|2nd|3rd|4th|5th|last) (mon|tue|wed|thu|fri|sat|sun)")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One run of the calendar: the period it publishes, when it is due, and why on that day."""

    period: Period
    due_at: datetime
    reason: str


def trigger_of(schedule: Schedule, zone: ZoneInfo) -> CronTrigger:
    """Return APScheduler's trigger for the rule: `last day`, a day of the month (1-31), `2nd tue` or `last fri`."""
    at = time.fromisoformat(schedule.time)
    return CronTrigger(day=_day_field(schedule.rule), hour=at.hour, minute=at.minute, timezone=zone)


def _day_field(rule: str) -> str:
    text = " ".join(rule.lower().split())
    if text == "last day":
        return "last"
    if _NTH.fullmatch(text):
        return text
    if text.isdigit() and 1 <= int(text) <= 28:
        return text
    if text.isdigit() and 29 <= int(text) <= 31:
        raise ConfigError(
            f"[schedule] rule = {rule!r}: not every month has that day", hint='Use "last day", or 1 to 28.'
        )
    raise ConfigError(
        f"[schedule] rule = {rule!r} is not understood", hint='Use "last day", "15", "2nd tue" or "last fri".'
    )


def occurrences(settings: Settings, after: datetime) -> Iterator[Occurrence]:
    """Yield the runs due after `after`, in order, for ever; one per period, whatever daylight saving does."""
    zone = settings.publication.zone
    trigger = trigger_of(settings.schedule, zone)
    cursor = after + timedelta(microseconds=1)
    while (fire := trigger.get_next_fire_time(None, cursor)) is not None:
        month = Period.of(fire, zone)
        period = _period_published(settings.schedule, month)
        yield Occurrence(period, fire, f"{settings.schedule.rule}, {settings.schedule.time} {zone.key}")
        # On with the next month: an hour that happens twice in autumn is one run, and the trigger, asked from within
        # that hour, answers with it for ever.
        cursor = datetime.combine(month.next.first, time(), zone)


def _period_published(schedule: Schedule, month: Period) -> Period:
    return month if schedule.period == "current" else month.previous


def issue_date(settings: Settings, period: Period) -> date:
    """Return the date of the issue for `period`: the day its run is due."""
    zone = settings.publication.zone
    month = period if settings.schedule.period == "current" else period.next
    start = datetime.combine(month.first, time(), zone)
    fire = trigger_of(settings.schedule, zone).get_next_fire_time(None, start)
    return fire.astimezone(zone).date() if fire and fire.astimezone(zone).date() in month else month.last


MONTHLY = "monthly"
LOOK_AGAIN_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Told:
    """What a look at the clock did for one period."""

    period: str
    state: str
    step: str
    why: str


def tick(works: Works) -> list[Told]:
    """Look at the clock once: record what was missed, start what is due, go on with what waits or was left by a crash.

    Any number of ticks, on any number of machines, give one run a period: the insert under the unique key decides.
    """
    now = works.clock.now()
    by = f"{socket.gethostname()}:{os.getpid()}"
    with session_scope(works.engine) as session:
        waiting = runs.unfinished(session, MONTHLY, by, now)
    told = [_go_on(works, run) for run in waiting]
    return told + _claim_due(works, by, now) + _keep_for_a_time(works) + _deliver_what_is_due(works)


def _keep_for_a_time(works: Works) -> list[Told]:
    """Once a day, forget what `[retention]` lets be kept only for a time, and ask again whom it wants asked."""
    try:
        done = retention.apply_once_a_day(works)
    except DigestError as error:
        return [Told("retention", runs.RunState.WAITING, "forget", error.message)]
    counted = (
        ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in asdict(done).items() if number)
        if done
        else ""
    )
    return [Told("retention", runs.RunState.DONE, "forget", counted)] if counted else []


def _deliver_what_is_due(works: Works) -> list[Told]:
    """Confirmations and other notices, and deliveries that were put off: nobody should have to remember the worker."""
    try:
        outcomes = work(works, None, relay="", progress=lambda _settled: None)["outcomes"]
    except DigestError as error:
        return [Told("outbox", runs.RunState.WAITING, "deliver", error.message)]
    counted = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items() if count)
    return [Told("outbox", runs.RunState.DONE, "deliver", counted)] if counted else []


def _claim_due(works: Works, by: str, now: datetime) -> list[Told]:
    schedule = works.settings.schedule
    with session_scope(works.engine) as session:
        since = runs.install(session, MONTHLY, now)
    due = list(takewhile(lambda entry: entry.due_at <= now, occurrences(works.settings, since)))
    told = []
    for entry in due:
        too_late = now - entry.due_at > duration(schedule.max_lateness)
        overtaken = entry is not due[-1] or schedule.catch_up == "none"
        if too_late or (overtaken and now - entry.due_at > timedelta(minutes=LOOK_AGAIN_MINUTES)):
            why = f"later than {schedule.max_lateness}" if too_late else "a newer period is due"
            with session_scope(works.engine) as session:
                state = runs.RunState.MISSED
                new = runs.record(session, MONTHLY, str(entry.period), entry.due_at, state=state, why=why, now=now)
            if new:  # a period that was skipped, or that another tick has told, is not told again
                told.append(Told(str(entry.period), state, "", why))
            continue
        with session_scope(works.engine) as session:
            run = runs.claim(session, MONTHLY, str(entry.period), entry.due_at, by=by, now=now)
        if run is not None:
            told.append(_go_on(works, run))
    return told


def _go_on(works: Works, run: runs.IssueRun) -> Told:
    try:
        progress = run_month(works, run, issue_date(works.settings, Period.parse(run.period)))
    except DigestError as error:  # whatever it is, a person must read it, and the next look tries again
        progress = Progress(runs.RunState.WAITING, run.step or "assemble", error.message)
    with session_scope(works.engine) as session:
        session.add(run)
        runs.note(run, progress.state, progress.step, progress.why, works.clock.now())
    return Told(run.period, progress.state, progress.step, progress.why)


def skip(works: Works, period: str) -> None:
    """Write down that a period's run shall not happen."""
    wanted = Period.parse(period)
    now = works.clock.now()
    with session_scope(works.engine) as session:
        since = runs.install(session, MONTHLY, now)
        ahead = takewhile(lambda entry: entry.period <= wanted, occurrences(works.settings, since))
        entry = next((e for e in ahead if e.period == wanted), None)
        if entry is None:
            raise RefusedError(f"{wanted} is not ahead on the calendar", hint="`digest schedule next` lists what is.")
        state = runs.RunState.SKIPPED
        if not runs.record(session, MONTHLY, str(wanted), entry.due_at, state=state, why="by an operator", now=now):
            raise RefusedError(f"{wanted} has a run already", hint="`digest schedule history` shows it.")


def skip_since_backup(session: Session, settings: Settings, now: datetime) -> list[str]:
    """Keep the schedule from running again what may have run after a backup; return the periods.

    A restored database knows neither that a run was finished nor that one was begun, and without approval by a person
    the whole audience would get its issue once more.
    """
    why = "restored from a backup: it may have run already"
    skipped = []
    for run in session.exec(select(runs.IssueRun).where(col(runs.IssueRun.state).in_(sorted(runs.OPEN)))):
        runs.note(run, runs.RunState.SKIPPED, run.step, why, now)
        session.add(run)
        skipped.append(run.period)
    since = runs.install(session, MONTHLY, now)
    for entry in takewhile(lambda entry: entry.due_at <= now, occurrences(settings, since)):
        state = runs.RunState.SKIPPED
        if runs.record(session, MONTHLY, str(entry.period), entry.due_at, state=state, why=why, now=now):
            skipped.append(str(entry.period))
    return skipped


def run_forever(works: Works, told: Callable[[str], None]) -> None:
    """Tick when a run is due, at start-up and every five minutes, until told to stop.

    The alarm clock only rings, in a thread of its own; the work is done here in the main thread, where signals arrive.
    Its memory job store is on purpose: what must survive a restart stands in issue_run, and a shared job store would
    fire every job once per scheduler.
    """
    ring, stopping = threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        ring.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    clock = BackgroundScheduler(timezone=works.settings.publication.zone)
    trigger = trigger_of(works.settings.schedule, works.settings.publication.zone)
    clock.add_job(ring.set, trigger, id="due", misfire_grace_time=None, coalesce=True)
    clock.add_job(ring.set, "interval", minutes=LOOK_AGAIN_MINUTES, id="again", coalesce=True)
    upcoming = next(occurrences(works.settings, works.clock.now()))
    told(f"Next: {upcoming.period} at {upcoming.due_at.isoformat()} ({upcoming.reason})")
    clock.start()
    try:
        ring.set()
        while not stopping.is_set():
            ring.wait()
            ring.clear()
            if not stopping.is_set():
                _look(works, told)
    finally:
        clock.shutdown(wait=False)


def _look(works: Works, told: Callable[[str], None]) -> None:
    try:
        for entry in tick(works):
            told(f"{entry.period}: {entry.state} ({entry.step}) {entry.why}")
    except (DigestError, DBAPIError) as error:  # the next look tries again; nothing is lost by waiting
        told(f"{error}")
