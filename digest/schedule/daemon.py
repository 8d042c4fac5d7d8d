"""The process that looks at the clock when a step is due; APScheduler is its alarm clock."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import DBAPIError

from digest.delivery.wakeup.event import Wakeup
from digest.runtime.db import explain
from digest.runtime.errors import DigestError
from digest.runtime.signals import stopping_on_signals
from digest.schedule.lateness import LOOK_AGAIN
from digest.schedule.month import ProgressListener
from digest.schedule.occurrences import Occurrence, occurrences
from digest.schedule.tick import tick
from digest.send.context import SendContext


def run_forever(
    context: SendContext, say: Callable[[str], None], watching: Callable[[], AbstractContextManager[ProgressListener]]
) -> None:
    """Look when a step is due, at start-up and every few minutes, until told to stop; `watching` opens each look.

    The alarm clock only rings, in a thread of its own; the work is done here in the main thread, where signals arrive.
    Its memory job store is on purpose: what must survive a restart stands in issue_run, and a shared job store would
    fire every job once per scheduler.
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
                _set_alarm(context, clock, wakeup)  # before the look, so that what becomes due meanwhile rings, too
                _look(context, say, watching, wakeup)
                wakeup.wait(every)
    finally:
        clock.shutdown(wait=False)
    say("Stopped.")


def _set_alarm(context: SendContext, clock: BackgroundScheduler, wakeup: Wakeup) -> None:
    """Let it ring when the next step of any run of the calendar is due; set anew after each look."""
    now = context.clock.now()
    ahead = (step.at for entry in _next_two(context, now) for step in entry.steps if step.at > now)
    seconds = (min(ahead) - now).total_seconds()
    # by the machine's own clock, which DIGEST_NOW may have moved for us
    clock.add_job(
        wakeup.ring,
        "date",
        run_date=datetime.now(clock.timezone) + timedelta(seconds=seconds),
        id="due",
        replace_existing=True,
        misfire_grace_time=None,
    )


def _next_two(context: SendContext, now: datetime) -> list[Occurrence]:
    entries = occurrences(context.delivery.settings, now)
    return [next(entries), next(entries)]


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
    except (DigestError, DBAPIError, OSError) as error:  # the next look tries again; nothing is lost by waiting
        say(f"{explain(error) if isinstance(error, DBAPIError) else error}")
