"""Schema of procrastinate's tables on PostgreSQL, created and migrated by `digest db upgrade`.

Not in Alembic: whether they are wanted depends on an optional package, and their form on its version. A comment on the
table of jobs stores the last migration that was applied.
"""

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, text
from sqlalchemy.schema import SetTableComment

PREFIX = "procrastinate_"
JOBS = "procrastinate_jobs"
UPGRADE_LOCK = 4715
"""PostgreSQL's advisory lock of upgrades: a second one waits, then finds nothing to do."""
_MARK = "kept by digestpress; newest migration: "


class QueueSchema(StrEnum):
    """State of procrastinate's tables in a database."""

    NOT_NEEDED = "not needed"
    """SQLite: workers poll."""
    NOT_INSTALLED = "not installed"
    """procrastinate is missing: workers poll."""
    MISSING = "missing"
    OLDER = "older than the installed procrastinate"
    FOREIGN = "maintained by another program"
    """Created by another program, which migrates them."""
    READY = "ready"

    @property
    def remedy(self) -> str:
        return _REMEDIES.get(self, "")


_REMEDIES = {
    QueueSchema.NOT_INSTALLED: "pip install 'digestpress[postgres]', then digest db upgrade",
    QueueSchema.MISSING: "digest db upgrade",
    QueueSchema.OLDER: "stop the workers, then digest db upgrade",
}


def is_installed() -> bool:
    """Return whether procrastinate is installed, without loading it."""
    return find_spec("procrastinate") is not None


def schema_state(connection: Connection) -> QueueSchema:
    """Return how procrastinate's tables stand."""
    if connection.dialect.name != "postgresql":
        return QueueSchema.NOT_NEEDED
    if not is_installed():
        return QueueSchema.NOT_INSTALLED
    if not connection.execute(text(f"SELECT to_regclass('{JOBS}') IS NOT NULL")).scalar_one():
        return QueueSchema.MISSING
    applied = _applied(connection)
    if applied is None:
        return QueueSchema.FOREIGN
    return QueueSchema.OLDER if any(path.name > applied for path in _migrations()) else QueueSchema.READY


def bring_up_to_date(engine: Engine) -> None:
    """Create procrastinate's tables, or apply its new migrations; safe to repeat.

    Each migration is a transaction of its own: PostgreSQL cannot use a new value of an enumeration before it is
    committed, and a later migration does.
    """
    going = engine.dialect.name == "postgresql" and is_installed()
    while going:
        with engine.begin() as connection:
            going = _go_on(connection)


def _go_on(connection: Connection) -> bool:
    """Do one step; return whether there may be another."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})"))
    found = schema_state(connection)
    if found is QueueSchema.MISSING:
        _run(connection, _manager().get_schema())
        _mark(connection, _migrations()[-1])
    elif found is QueueSchema.OLDER:
        step = next(path for path in _migrations() if path.name > (_applied(connection) or ""))
        _run(connection, step.read_text(encoding="utf-8"))
        _mark(connection, step)
    return found is QueueSchema.OLDER


def _mark(connection: Connection, newest: Path) -> None:
    connection.execute(SetTableComment(Table(JOBS, MetaData(), comment=_MARK + newest.name)))


def is_ours(name: str | None, kind: str, _parents: Any = None) -> bool:
    """Return whether Alembic compares an object of this name (its `include_name`): not procrastinate's tables."""
    return not (kind == "table" and name is not None and name.startswith(PREFIX))


def _applied(connection: Connection) -> str | None:
    comment = connection.execute(text(f"SELECT obj_description('{JOBS}'::regclass, 'pg_class')")).scalar()
    return comment.removeprefix(_MARK) if isinstance(comment, str) and comment.startswith(_MARK) else None


def _manager() -> Any:
    from procrastinate.schema import SchemaManager  # noqa: PLC0415 - it takes most of a second to load

    return SchemaManager


def _migrations() -> list[Path]:
    return sorted(Path(_manager().get_migrations_path()).glob("*.sql"))


def _run(connection: Connection, statements: str) -> None:
    raw = connection.connection.driver_connection
    assert raw is not None  # noqa: S101 - the connection is in use
    raw.execute(statements)  # many at once, which only a call without parameters may be
