"""Health check of a workspace: each problem with its remedy. It sends and changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from digest.render.checks import Severity
from digest.runtime import db
from digest.runtime.errors import DigestError, EnvironmentFailedError
from digest.settings.root import load_settings
from digest.workspace.doctor import calendar, database, dns_records, outbox, relays, services, templates, workspace
from digest.workspace.doctor.demands import demands_on
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext, Examination, Skipped

__all__ = ["Diagnosis", "Examination", "examine"]

_Check = Callable[[DoctorContext], Iterator[Diagnosis | Skipped]]
_CHECKS: tuple[_Check, ...] = (
    workspace.secrets,
    workspace.personal_data,
    workspace.identity,
    workspace.operators,
    workspace.disk,
    templates.mails,
    templates.pages,
    database.answers,
    database.clock,
    calendar.rule,
    calendar.runs,
    outbox.outcome_files,
    outbox.deliveries,
    outbox.issues,
    outbox.workers,
    outbox.webhook,
    outbox.media,
    services.backups,
    services.web_server,
    services.calendar,
    services.units,
    relays.handshakes,
    relays.signature,
    dns_records.published,
)
_NEED_DATABASE: frozenset[_Check] = frozenset(
    {database.clock, calendar.runs, outbox.deliveries, outbox.issues, outbox.workers, outbox.webhook, outbox.media}
)


def examine(folder: Path, *, nameserver: str = "") -> Examination:
    """Return all problems of the workspace; `nameserver` (host or host:port) is asked instead of the system's."""
    try:
        settings = load_settings(folder)
    except DigestError as error:
        return Examination((Diagnosis("configuration", Severity.BLOCK, error.message, error.hint),), ())
    context = DoctorContext(settings, nameserver)
    try:
        results = [one for check in _CHECKS for one in _checked(check, context)]
    finally:
        context.close()
    findings = tuple(dict.fromkeys(one for one in results if isinstance(one, Diagnosis)))
    skipped = tuple(one for one in results if isinstance(one, Skipped))
    asked = demands_on(settings, [one.id for one in findings], [one.id for one in skipped])
    leaves = settings.delivery.transport != "maildir" and settings.delivery.allow_send
    return Examination(findings, skipped, tuple(asked) if leaves else ())


def _checked(check: _Check, context: DoctorContext) -> Iterator[Diagnosis | Skipped]:
    """Run a check; one that fails is itself a finding, except for an unusable database, which `answers` reports."""
    if check in _NEED_DATABASE and context.trouble is not None:
        return
    try:
        yield from check(context)
    except DigestError as error:
        environment = isinstance(error, EnvironmentFailedError)
        yield Diagnosis("configuration", Severity.BLOCK, error.message, error.hint, environment)
    except DBAPIError as error:
        known = db.explain(error)
        yield Diagnosis("database-unreachable", Severity.BLOCK, known.message, known.hint, environment=True)
