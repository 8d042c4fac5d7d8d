"""`digest db upgrade`, `check` and `copy`."""

from typing import Annotated

import typer

from digest.cli.shell import shell_of
from digest.runtime import db
from digest.runtime.errors import EXIT_ATTENTION
from digest.runtime.text import count_of
from digest.settings.opened import open_engine
from digest.workspace.backup.backup import TABLES
from digest.workspace.copy import copy_database
from digest.workspace.integrity import check as check_integrity


def upgrade(context: typer.Context) -> None:
    """Upgrade the database to this version's schema.

    Lists the approvals that the new version voids. Safe to repeat.
    """
    shell = shell_of(context)
    engine = open_engine(shell.workspace)
    db.upgrade(engine)
    revision = db.revision_of(engine)
    with shell.session(read_only=True) as session:
        void = shell.reader.publisher.void_approvals(session)
    data = {
        "revision": revision,
        "void_approvals": [{"issue": number, "changed": changed} for number, changed in void.items()],
    }

    def tell() -> None:
        shell.out.line(f"The database is at revision {revision}.")
        for number, changed in void.items():
            shell.out.line(
                f"Issue {number} is no longer what was approved: {'; '.join(changed)}. Review it, then approve it:"
            )
            shell.out.line(f'  → digest issue approve {number} --by "YOUR NAME"')

    shell.out.emit(data, tell)


def check(context: typer.Context) -> None:
    """Check the database's connection, schema and integrity."""
    shell = shell_of(context)
    engine = open_engine(shell.workspace)
    db.check_revision(engine)
    queue, integrity = db.queue_of(engine), check_integrity(engine, TABLES)
    data = {
        "revision": db.revision_of(engine),
        "database": engine.dialect.name,
        "queue": queue.value,
        "damage": [{"table": one.table, "message": one.message} for one in integrity.damage],
        "not_checked": integrity.not_checked or None,
    }

    def tell() -> None:
        state = "damaged" if integrity.damage else "no problems found"
        shell.out.line(f"{data['database']}: revision {data['revision']}, {state}.")
        for one in integrity.damage:
            shell.out.line(f"- {one}")
        if integrity.damage:
            shell.out.line(f"  → {db.REPAIR}")
        if integrity.not_checked:
            shell.out.line(f"{integrity.not_checked}.\n  → {integrity.remedy}")
        shell.out.line(f"Queue that wakes workers: {queue}.")
        if remedy := queue.remedy:
            shell.out.line(f"  → {remedy}")

    shell.out.emit(data, tell)
    if integrity.damage:
        raise typer.Exit(EXIT_ATTENTION)


def copy(
    context: typer.Context,
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="An empty sqlite:///FILE or postgresql://USER@HOST/NAME.")
    ],
) -> None:
    """Copy everything to an empty database and compare it.

    Every row is compared. Stop everything that writes to the present database first. If the copy is interrupted,
    nothing is left in the new database.
    """
    shell = shell_of(context)
    with shell.out.counting("rows copied") as progress:
        copied = copy_database(shell.workspace, to, progress)

    def tell() -> None:
        shell.out.table(["table", "rows"], [(name, table.rows) for name, table in copied.tables.items() if table.rows])
        shell.out.line(f"{count_of(copied.rows, 'row')} copied to {copied.target} and compared.")
        shell.out.line(
            "Set it in digest.toml before you start anything again: with both databases in use, emails are sent twice."
        )
        shell.out.line(f'  → [database] url = "{copied.target}"')

    shell.out.emit(copied.as_json(), tell)
