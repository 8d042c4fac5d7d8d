"""Where SQLite and PostgreSQL differ for the outbox. Not in row locks: SQLite has one writer anyway."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    CursorResult,
    DateTime,
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
from sqlalchemy.dialects import sqlite
from sqlmodel import Session

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

POSTGRESQL = "postgresql"


def dialect_of(session: Session) -> str:
    """Return `sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def insert_new(session: Session, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT for `table` that leaves rows alone whose unique key is there already."""
    if dialect_of(session) == POSTGRESQL:
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - all its drivers, which SQLite does not need

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def is_alone(session: Session) -> bool:
    """Say whether nobody else can change anything during a transaction that writes: SQLite has one writer."""
    return dialect_of(session) != POSTGRESQL


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
    of the ledger's time. `build` gets the rows that `run` is given, with columns of the names and types of `columns`.
    All rows go in one call. What comes back are the driver's own values: see `instant`.
    """

    def __init__(
        self, build: Callable[["Given"], Executable], columns: Sequence[Column[Any]] = (), *, changes: bool = False
    ) -> None:
        """`changes` tells that the statement changes something for each row, and may be executed for one at a time.

        SQLite is faster so, as nothing crosses a network; PostgreSQL gets all rows as arrays of one statement.
        """
        self._build = build
        self._columns = columns
        self._changes = changes
        self._compiled: dict[str, _Compiled] = {}

    def run(self, session: Session, rows: Sequence[Sequence[Any]] = (), **values: Any) -> "CursorResult[Any]":
        """Execute it with `values` for its named parameters."""
        connection = session.connection()
        name = connection.dialect.name
        if name not in self._compiled:
            compiled = self._build(self._given(name)).compile(dialect=connection.dialect)  # type: ignore[attr-defined]
            names = [column.name for column in self._columns]
            instants = [place for place, column in enumerate(self._columns) if isinstance(column.type, DateTime)]
            self._compiled[name] = _Compiled(
                str(compiled), compiled.positiontup or (), dict(compiled.params), names, instants
            )
        statement = self._compiled[name]
        if name == POSTGRESQL:
            return connection.exec_driver_sql(statement.sql, statement.arrays(rows, values))
        if self._changes:
            return connection.exec_driver_sql(statement.sql, statement.each(rows, values))
        return connection.exec_driver_sql(statement.sql, statement.document(rows, values))

    def _given(self, dialect: str) -> "Given":
        if dialect == POSTGRESQL:
            return _given_arrays(self._columns)
        return _GivenOne(self._columns) if self._changes else _given_document(self._columns)


Given = Any
"""What `build` gets: something with `c`, a column for each of its names."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    order: Sequence[str]
    constants: Mapping[str, Any]
    names: Sequence[str]
    instants: Sequence[int]

    def arrays(self, rows: Sequence[Sequence[Any]], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters for PostgreSQL: an array for each column."""
        bound = {**self.constants, **values}
        for place, name in enumerate(self.names):
            bound[f"rows_{name}"] = [row[place] for row in rows]
        return bound

    def document(self, rows: Sequence[Sequence[Any]], values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters for SQLite: all rows as one JSON document."""
        bound = {**self.constants, **values}
        if self.names:
            bound["rows"] = json.dumps(rows, default=_written)
        return tuple(_plain(bound[name]) for name in self.order)

    def each(self, rows: Sequence[Sequence[Any]], values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the parameters for SQLite, row by row."""
        bound = {name: _plain(value) for name, value in {**self.constants, **values}.items()}
        places = {f"rows_{name}": place for place, name in enumerate(self.names)}
        fixed = [name for name in self.order if name not in places]
        places |= {name: len(self.names) + place for place, name in enumerate(fixed)}
        in_order = itemgetter(*(places[name] for name in self.order))
        end = [bound[name] for name in fixed]
        return [in_order([*self._without_instants(row), *end]) for row in rows]

    def _without_instants(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self.instants:
            return row
        cells = list(row)
        for place in self.instants:
            cells[place] = _plain(cells[place])
        return cells


def _plain(value: Any) -> Any:
    return _written(value) if isinstance(value, datetime) else value


@lru_cache(maxsize=100)
def _written(moment: datetime) -> str:
    """Return an instant as SQLAlchemy stores it in SQLite."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _given_arrays(columns: Sequence[Column[Any]]) -> FromClause:
    arrays = [cast(bindparam(f"rows_{c.name}"), ARRAY(c.type)) for c in columns]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def _given_document(columns: Sequence[Column[Any]]) -> FromClause:
    each = func.json_each(bindparam("rows")).table_valued("value", name="each")
    cells = [func.json_extract(each.c.value, f"$[{place}]").label(c.name) for place, c in enumerate(columns)]
    chosen: Select[Any] = select(*cells).select_from(each)
    return chosen.subquery("given")


class _GivenOne:
    """One row at a time: its columns are parameters."""

    def __init__(self, columns: Sequence[Column[Any]]) -> None:
        self.c = SimpleNamespace(**{c.name: bindparam(f"rows_{c.name}", type_=c.type) for c in columns})
