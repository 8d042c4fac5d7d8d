"""Checks of the database: reachability, schema, worker queue, and clock skew."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from digest.outbox.dialects import database_now
from digest.render.checks import Severity
from digest.runtime import db
from digest.runtime.errors import ConfigError, DatabaseUnreachableError
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

MOST_SKEW = timedelta(seconds=30)


def answers(context: DoctorContext) -> Iterator[Diagnosis]:
    """It is reachable, has this version's schema, and the workers' queue is in order."""
    error = context.trouble
    if isinstance(error, ConfigError):
        raise error  # its address is wrong: every check that needs the database says the same, reported once
    if error is not None:
        away = isinstance(error, DatabaseUnreachableError)
        name = "database-unreachable" if away else "database-schema"
        yield Diagnosis(name, Severity.BLOCK, error.message, error.hint, environment=True)
        return
    queue = db.queue_of(context.engine)
    if queue.remedy:
        message = f"The queue that wakes workers is {queue}; workers check the database themselves"
        yield Diagnosis("queue", Severity.ADVISE, message, queue.remedy)


def clock(context: DoctorContext) -> Iterator[Diagnosis]:
    """Heartbeats use the database's clock, due times ours: they must not be far apart."""
    with context.session() as session:
        theirs = database_now(session)
    skew = theirs - _machine_now()
    if abs(skew) > MOST_SKEW:
        message = f"This machine's clock and the database's differ by {abs(skew).total_seconds():.0f} s"
        yield Diagnosis("clock", Severity.BLOCK, message, "Synchronize both with NTP: timedatectl set-ntp true.")


def _machine_now() -> datetime:
    # not the workspace's clock, which DIGEST_NOW moves
    return datetime.now(UTC)
