"""Where SQLite and PostgreSQL differ for the outbox. Not in row locks: SQLite has one writer anyway."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CursorResult,
    Executable,
    FromClause,
    Select,
    Table,
    bindparam,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

POSTGRESQL = "postgresql"


def dialect_of(session: Session) -> str:
    """Return `sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def insert_new(session: Session, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT for `table` that leaves rows alone whose unique key is there already."""
    if dialect_of(session) == POSTGRESQL:
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def domain_of(session: Session, address: ColumnElement[str]) -> ColumnElement[str]:
    """Return an expression for what stands behind the @ of an address."""
    if dialect_of(session) == POSTGRESQL:
        return func.split_part(address, "@", 2)
    return func.substr(address, func.instr(address, "@") + 1)


def database_now(session: Session) -> datetime:
    """Return the present instant by the database's clock: the one clock that workers on several machines share."""
    if dialect_of(session) == POSTGRESQL:
        # not now(): that is when the transaction began, and a take may have waited for locks since
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    written = session.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def instant(value: datetime | str) -> datetime:
    """Return an instant as it came from the driver."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)


class Prepared:
    """A statement of the delivery path: built and compiled once, then handed to the driver as it is.

    Building and caching an expression anew for each window, and converting every value of every row, took four fifths
    of the ledger's time. `build` gets the rows given to `run` as something to select from; the names and types of their
    columns are those of `columns`. All rows go in one statement. What comes back are the driver's own values: see
    `instant`.
    """

    def __init__(self, build: Callable[[FromClause], Executable], columns: Sequence[Column[Any]] = ()) -> None:
        self._build = build
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def run(self, session: Session, rows: Sequence[Sequence[Any]] = (), **values: Any) -> "CursorResult[Any]":
        """Execute it with `values` for its named parameters."""
        connection = session.connection()
        name = connection.dialect.name
        if name not in self._compiled:
            given = _given_postgresql(self._columns) if name == POSTGRESQL else _given_sqlite(self._columns)
            # the dialect knows the driver, and with it how parameters are written
            compiled = self._build(given).compile(dialect=connection.dialect)  # type: ignore[attr-defined]
            self._compiled[name] = _Compiled(str(compiled), compiled.positiontup, dict(compiled.params))
        return connection.exec_driver_sql(*self._compiled[name].call(name, self._columns, rows, values))


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    order: Sequence[str] | None
    constants: Mapping[str, Any]

    def call(
        self, dialect: str, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]], values: Mapping[str, Any]
    ) -> tuple[str, Any]:
        """Return the text and its parameters, as the driver takes them."""
        bound = {**self.constants, **values}
        if dialect == POSTGRESQL:
            for place, column in enumerate(columns):
                bound[f"rows_{column.name}"] = [row[place] for row in rows]
            return self.sql, bound
        if columns:
            bound["rows"] = json.dumps(rows, default=_written)
        assert self.order is not None  # noqa: S101 - SQLite counts parameters
        return self.sql, tuple(_plain(bound[name]) for name in self.order)


def _plain(value: Any) -> Any:
    return _written(value) if isinstance(value, datetime) else value


def _written(moment: datetime) -> str:
    """Return an instant as SQLAlchemy stores it in SQLite."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _given_postgresql(columns: Sequence[Column[Any]]) -> FromClause:
    arrays = [cast(bindparam(f"rows_{c.name}"), postgresql.ARRAY(c.type)) for c in columns]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def _given_sqlite(columns: Sequence[Column[Any]]) -> FromClause:
    each = func.json_each(bindparam("rows")).table_valued("value", name="each")
    cells = [func.json_extract(each.c.value, f"$[{place}]").label(c.name) for place, c in enumerate(columns)]
    chosen: Select[Any] = select(*cells).select_from(each)
    return chosen.subquery("given")
