"""Checks of what should run by itself once mail has gone out: backups, web server, calendar. They only advise."""

import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from digest.render.checks import Severity
from digest.runtime.text import count_of
from digest.schedule import runs
from digest.schedule.month import MONTHLY
from digest.settings.part import LOOPBACK_HOSTS
from digest.workspace.backup.record import UNFINISHED, BackupRecord
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

BACKUP_WITHIN = timedelta(days=7)
BACKUP_TAKES = timedelta(hours=2)
"""A backup that was begun earlier and has not ended was killed."""
TICK_WITHIN_SECONDS = 24 * 3600
UNITS = Path("/etc/systemd/system")
_BACKUP = "Run `digest db backup FILE` every night, by digest-backup.timer or cron."
_TICK = (
    "Start `digest schedule run`, or `digest tick` from cron or digest-tick.timer. Otherwise, send each issue yourself."
)


def backups(context: DoctorContext) -> Iterator[Diagnosis]:
    """The last backup succeeded, is recent, and is what was written. Backups by other means are not known here."""
    last, now = BackupRecord.read(context.settings.workspace), context.clock.now()
    file = Path(last.file)
    if last.failure and (last.failure != UNFINISHED or now - datetime.fromisoformat(last.tried_at) > BACKUP_TAKES):
        good = f"the last good one is from {last.verified_at[:10]}" if last.verified_at else "there is no earlier one"
        message = f"The last backup failed on {last.tried_at[:10]}: {last.failure}; {good}"
        yield Diagnosis("backup-failed", Severity.ADVISE, message, "Fix the cause, then: digest db backup FILE")
    elif not last.verified_at:
        if context.in_service:
            yield Diagnosis("backup-none", Severity.ADVISE, "This workspace has never been backed up", _BACKUP)
    elif (age := now - datetime.fromisoformat(last.verified_at)) > BACKUP_WITHIN:
        yield Diagnosis(
            "backup-old", Severity.ADVISE, f"The last good backup is {count_of(age.days, 'day')} old", _BACKUP
        )
    elif file.is_file() and file.stat().st_size != last.size:
        message = f"The last backup, {file}, has changed since it was checked"
        yield Diagnosis("backup-changed", Severity.ADVISE, message, "Make a new one: digest db backup FILE")


def web_server(context: DoctorContext) -> Iterator[Diagnosis]:
    """Readers' links are answered, where base_url is of this machine: of another one it is not known here."""
    address = urlsplit(context.settings.publication.base_url)
    if address.hostname not in LOOPBACK_HOSTS or not context.in_service:
        return
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname, port), timeout=1).close()
    except OSError:
        message = f"Nothing answers at {context.settings.publication.base_url}: readers cannot confirm or unsubscribe"
        remedy = "Start `digest serve`, or set [publication] base_url to its public address."
        yield Diagnosis("web-server", Severity.ADVISE, message, remedy)


def calendar(context: DoctorContext) -> Iterator[Diagnosis]:
    """Some process looks at the calendar. With PostgreSQL it may be on another machine."""
    if not context.in_service:
        return
    with context.session() as session:
        if not runs.known(session, MONTHLY):
            yield Diagnosis("schedule-none", Severity.ADVISE, "The schedule has never been checked", _TICK)
    file = context.settings.workspace / ".state" / "clock.json"
    if context.engine.dialect.name == "sqlite" and file.exists():
        days = (time.time() - file.stat().st_mtime) / TICK_WITHIN_SECONDS
        if days > 1:
            message = f"The schedule has not been checked for {days:.0f} days"
            yield Diagnosis("schedule-stopped", Severity.ADVISE, message, _TICK)


def units(_: DoctorContext) -> Iterator[Diagnosis]:
    """Our systemd units that were installed are enabled; where there are none, another way is used."""
    for unit in ("digest-serve.service", "digest-backup.timer", "digest-tick.timer"):
        if (UNITS / unit).exists() and not any(UNITS.glob(f"*.wants/{unit}")):
            message = f"{unit} is installed but not enabled"
            yield Diagnosis("unit-disabled", Severity.ADVISE, message, f"systemctl enable --now {unit}")
