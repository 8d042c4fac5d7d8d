"""`digest db upgrade` and `check`: the schema of the database."""

import typer

from digest.cli.shell import shell_of
from digest.runtime import db
from digest.settings.opened import open_engine


def upgrade(context: typer.Context) -> None:
    """Bring the database to this version's schema; safe to repeat."""
    shell = shell_of(context)
    engine = open_engine(shell.workspace)
    db.upgrade(engine)
    revision = db.revision_of(engine)
    shell.out.emit({"revision": revision}, lambda: shell.out.line(f"The database is at revision {revision}."))


def check(context: typer.Context) -> None:
    """Say whether the database is reachable and has this version's schema."""
    shell = shell_of(context)
    engine = open_engine(shell.workspace)
    db.check_revision(engine)
    queue = db.queue_of(engine)
    data = {"revision": db.revision_of(engine), "database": engine.dialect.name, "queue": queue.value}

    def tell() -> None:
        shell.out.line(f"{data['database']}: revision {data['revision']}, as it should be.")
        shell.out.line(f"The queue that wakes workers: {queue}.")
        if remedy := queue.remedy:
            shell.out.line(f"  → {remedy}")

    shell.out.emit(data, tell)
