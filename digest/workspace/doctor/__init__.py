"""Looks at a workspace as a whole and says what is wrong, each with its remedy. Sends nothing, changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

from digest.render.checks import Severity
from digest.runtime.errors import DigestError, EnvironmentFailedError
from digest.settings.root import load_settings
from digest.workspace.doctor import calendar, database, dns_records, outbox, relays, templates, workspace
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext, Examination, Skipped

__all__ = ["Diagnosis", "Examination", "examine"]

_CHECKS: tuple[Callable[[DoctorContext], Iterator[Diagnosis | Skipped]], ...] = (
    workspace.secrets,
    workspace.identity,
    workspace.operators,
    workspace.disk,
    templates.mails,
    templates.pages,
    database.answers,
    database.clock,
    calendar.rule,
    calendar.runs,
    outbox.deliveries,
    outbox.issues,
    outbox.workers,
    outbox.webhook,
    outbox.media,
    relays.handshakes,
    relays.signature,
    dns_records.published,
)


def examine(folder: Path, *, nameserver: str = "") -> Examination:
    """Return everything that is wrong with the workspace; nothing for a healthy one.

    `nameserver` (host or host:port) is asked for DNS records instead of the system's.
    """
    try:
        settings = load_settings(folder)
    except DigestError as error:
        return Examination((Diagnosis("configuration", Severity.BLOCK, error.message, error.hint),), ())
    context = DoctorContext(settings, nameserver)
    try:
        said = [one for check in _CHECKS for one in _survived(check, context)]
    finally:
        context.close()
    return Examination(
        tuple(dict.fromkeys(one for one in said if isinstance(one, Diagnosis))),
        tuple(one for one in said if isinstance(one, Skipped)),
    )


def _survived(
    check: Callable[[DoctorContext], Iterator[Diagnosis | Skipped]], context: DoctorContext
) -> Iterator[Diagnosis | Skipped]:
    """A check that cannot be made is itself a finding."""
    try:
        yield from check(context)
    except DigestError as error:
        environment = isinstance(error, EnvironmentFailedError)
        yield Diagnosis("configuration", Severity.BLOCK, error.message, error.hint, environment)
