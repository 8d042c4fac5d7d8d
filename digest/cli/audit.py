"""`digest audit`: who did what."""

from datetime import UTC, date, datetime, time
from typing import Annotated

import typer
from sqlmodel import Session

from digest.accounts import audit as log
from digest.cli.shell import Shell, shell_of
from digest.runtime.errors import UsageError

PAGE = 100


def record(shell: Shell, session: Session, what: str, about: str, **details: str | int | None) -> None:
    """Write what the machine's user did into the audit log, in the transaction of the act."""
    log.record(session, log.machine_user(), what, about, now=shell.app.clock.now(), **details)


def audit(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="Only from this day on, YYYY-MM-DD, in the publication's zone.")] = "",
) -> None:
    """List who did what, the newest first."""
    shell = shell_of(context)
    zone = shell.reader.settings.publication.zone
    try:
        start = datetime.combine(date.fromisoformat(since), time(), zone) if since else None
        start = start and start.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the first and the last day there are have none in UTC
        raise UsageError(f"{since[:40]!r} is not a day", hint="Write YYYY-MM-DD, such as 2026-11-30.") from error
    most = None if since or shell.out.as_json else PAGE
    with shell.session(read_only=True) as session:
        entries = log.entries(session, since=start, most=most)
    data = [
        {"at": one.at, "who": one.who, "route": one.route, "what": one.what, "about": one.about, "details": one.details}
        for one in entries
    ]
    rows = [[one.at, one.who, one.route, one.what, one.about, log.in_words(one)] for one in entries]

    def show() -> None:
        shell.out.table(["at", "who", "route", "what", "about", "details"], rows)
        if len(rows) == most:
            shell.out.line(f"\nThe newest {PAGE}; --since and --json list more.")

    shell.out.emit(data, show)
