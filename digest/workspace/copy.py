"""Copy of the whole database into an empty one of the other kind, or of the same: in one transaction, and compared.

A source that changed meanwhile would lose an unsubscribe, so that nobody writes to it during the copy. JSON is copied
as it is written: other bytes would be another hash of an issue.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sqlalchemy import JSON, Column, Connection, Engine, MetaData, Table, Text, cast, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from digest.migrations.metadata import METADATA
from digest.runtime import db, queue_schema
from digest.runtime.errors import EnvironmentFailedError, RefusedError, UsageError
from digest.settings.root import load_settings
from digest.workspace.backup.backup import refuse_with_workers

_CHUNK: Final = 5_000
_POSTGRESQL: Final = "postgresql"
_MODULUS: Final = 1 << 256
Counted = Callable[[int], None]


class TargetNotEmptyError(RefusedError):
    """The database to copy to is not empty."""

    default_hint = "Create a new one: a copy never overwrites anything."


class CopyFailedError(EnvironmentFailedError):
    """The copy is not equal to the database; nothing was kept of it."""


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """Rows of a table, and the sum of their SHA-256: equal for equal rows, in any order and on either database."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DatabaseCopy:
    """A finished copy: where to (without a password), its schema, and what is in its tables."""

    target: str
    revision: str | None
    tables: dict[str, CopiedTable]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"rows": self.rows}


def copy_database(workspace: Path, target_url: str, progress: Counted = lambda _rows: None) -> DatabaseCopy:
    """Copy the workspace's database to an empty one at `target_url`; it has everything afterwards, or nothing.

    Raises TargetNotEmptyError, WorkersRunningError, CopyFailedError.
    """
    settings = load_settings(workspace)
    source, target = db.make_engine(settings.database_url), db.make_engine(target_url)
    try:
        if _shown(source) == _shown(target):
            raise UsageError("The database cannot be copied onto itself", hint="Choose another one with --to.")
        db.check_revision(source)
        refuse_with_workers(settings, source)
        with _written_only_here(source) as there, db.for_bulk(target) as fast, fast.begin() as here:
            _refuse_unless_empty(here)
            db.upgrade_on(here)
            tables = _copy_all(there, here, progress)
            _set_sequences(here)
        queue_schema.bring_up_to_date(target)
        return DatabaseCopy(_shown(target), db.revision_of(target), tables)
    except DBAPIError as error:
        raise db.explain(error) from error
    finally:
        source.dispose()
        target.dispose()


def _shown(engine: Engine) -> str:
    """Return the database's address as digest.toml may name it: a whole path, no password."""
    url = engine.url.set(password=None)
    whole = url if engine.dialect.name == _POSTGRESQL else url.set(database=str(Path(str(url.database)).resolve()))
    return whole.render_as_string()


def _refuse_unless_empty(target: Connection) -> None:
    present = set(inspect(target).get_table_names())
    for table in METADATA.sorted_tables:
        if table.name in present and target.execute(select(func.count()).select_from(table)).scalar_one():
            raise TargetNotEmptyError(f"{_shown(target.engine)} is not empty: {table.name} has rows")
    if present & set(METADATA.tables) and "alembic_version" not in present:
        raise TargetNotEmptyError(f"{_shown(target.engine)} contains tables of another program")


@contextmanager
def _written_only_here(source: Engine) -> Iterator[Connection]:
    """Yield a connection in whose transaction nobody else writes; on SQLite any that does not only read is such."""
    with source.begin() as connection:
        if source.dialect.name == _POSTGRESQL:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            names = ", ".join(f'"{name}"' for name in sorted(METADATA.tables))
            connection.execute(text(f"LOCK TABLE {names} IN SHARE MODE"))
        yield connection


def _copy_all(there: Connection, here: Connection, progress: Counted) -> dict[str, CopiedTable]:
    done = 0
    tables = {}
    for table in METADATA.sorted_tables:
        count, total = 0, 0
        for rows in _rows(there, table):
            _insert(here, table, rows)
            count, total = count + len(rows), (total + _sum(rows)) % _MODULUS
            progress(done + count)
        copied = sum(map(_sum, _rows(here, table))) % _MODULUS
        found = here.execute(select(func.count()).select_from(table)).scalar_one()
        if (found, copied) != (count, total):
            raise CopyFailedError(f"The copy of the table {table.name} differs: {found:,} rows instead of {count:,}")
        done += count
        tables[table.name] = CopiedTable(count, f"{total:064x}")
    return tables


def _rows(connection: Connection, table: Table) -> Iterator[Sequence[tuple[Any, ...]]]:
    columns = [cast(column, Text).label(column.name) if _is_json(column) else column for column in table.columns]
    statement = select(*columns).order_by(*table.primary_key)
    result = connection.execute(statement, execution_options={"yield_per": _CHUNK})
    for rows in result.partitions():
        yield [tuple(row) for row in rows]


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)


def _sum(rows: Sequence[tuple[Any, ...]]) -> int:
    return sum(int.from_bytes(sha256(repr([*map(_plain, row)]).encode()).digest()) for row in rows)


def _plain(cell: Any) -> Any:
    return cell.astimezone(UTC).isoformat() if isinstance(cell, datetime) else cell


def _insert(here: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if here.dialect.name != _POSTGRESQL:
        as_written = Table(
            table.name,
            MetaData(),
            *(Column(column.name, Text() if _is_json(column) else column.type) for column in table.columns),
        )
        here.execute(as_written.insert(), [dict(zip(table.columns.keys(), row, strict=True)) for row in rows])
        return
    raw: Any = here.connection.driver_connection
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    try:
        with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copying:
            for row in rows:
                copying.write_row(row)
    except here.dialect.loaded_dbapi.DataError as error:  # SQLite takes longer texts, and NUL
        raise CopyFailedError(
            f"PostgreSQL does not accept a row of {table.name}: {str(error).splitlines()[0]}"
        ) from error


def _set_sequences(here: Connection) -> None:
    """Let each sequence go on after the highest id that was copied."""
    if here.dialect.name != _POSTGRESQL:
        return
    for table in METADATA.sorted_tables:
        if (key := table.autoincrement_column) is not None:
            highest = f'pg_get_serial_sequence(:name, :key) AS of, max({key.name}) AS highest FROM "{table.name}"'
            statement = f"SELECT setval(of, highest) FROM (SELECT {highest}) AS it WHERE of IS NOT NULL"  # noqa: S608
            here.execute(text(f"{statement} AND highest IS NOT NULL"), {"name": table.name, "key": key.name})
