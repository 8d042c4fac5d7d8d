"""The scheduler process of `digest schedule run`: ticks when a step is due, woken by APScheduler."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import islice

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import DBAPIError

from digest.delivery.wakeup.event import Wakeup
from digest.runtime.db import explain
from digest.runtime.errors import DigestError
from digest.runtime.signals import stopping_on_signals
from digest.schedule.lateness import LOOK_AGAIN
from digest.schedule.month import ProgressListener
from digest.schedule.occurrences import occurrences
from digest.schedule.tick import tick
from digest.send.context import SendContext


def run_forever(
    context: SendContext, say: Callable[[str], None], watching: Callable[[], AbstractContextManager[ProgressListener]]
) -> None:
    """Tick at start-up, when a step is due, and every few minutes, until stopped; `watching` displays each tick.

    APScheduler only rings, in its own thread; the work is done in the main thread, where signals arrive. The memory
    job store is on purpose: issue_run survives restarts, and a shared store would fire every job once per scheduler.
    """
    wakeup = Wakeup()
    clock = BackgroundScheduler(timezone=context.delivery.settings.publication.zone)
    every = min(LOOK_AGAIN.total_seconds(), context.delivery.settings.schedule.takeover)
    upcoming = next(occurrences(context.delivery.settings, context.clock.now()))
    clock.start()
    try:
        with stopping_on_signals(wakeup.stop):
            say(f"Next: {upcoming.period} at {upcoming.due_at.isoformat()} ({upcoming.reason})")
            while not wakeup.stopping:
                _set_alarm(context, clock, wakeup)  # before the tick, so that what becomes due meanwhile rings, too
                _look(context, say, watching, wakeup)
                wakeup.wait(every)
    finally:
        clock.shutdown(wait=False)
    say("Stopped.")


def _set_alarm(context: SendContext, clock: BackgroundScheduler, wakeup: Wakeup) -> None:
    """Ring when the next step of the next two runs is due."""
    now = context.clock.now()
    entries = islice(occurrences(context.delivery.settings, now), 2)
    ahead = min(step.at for entry in entries for step in entry.steps if step.at > now) - now
    # by the machine's own clock, which DIGEST_NOW may have moved for us
    at = datetime.now(clock.timezone) + timedelta(seconds=ahead.total_seconds())
    clock.add_job(wakeup.ring, "date", run_date=at, id="due", replace_existing=True, misfire_grace_time=None)


def _look(
    context: SendContext,
    say: Callable[[str], None],
    watching: Callable[[], AbstractContextManager[ProgressListener]],
    wakeup: Wakeup,
) -> None:
    try:
        with watching() as listener:
            done = tick(context, listener=listener, stopping=lambda: wakeup.stopping)
        for entry in done:
            say(f"{entry.period}: {entry.state} ({entry.step}) {entry.why}")
    except (DigestError, DBAPIError, OSError) as error:  # the next tick tries again; nothing is lost by waiting
        say(f"{explain(error) if isinstance(error, DBAPIError) else error}")
