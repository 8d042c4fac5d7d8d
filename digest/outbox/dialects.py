"""SQL differences between SQLite and PostgreSQL in the outbox. Not row locks: SQLite has one writer anyway."""

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
    Table,
    bindparam,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine
from sqlmodel import Session

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

POSTGRESQL = "postgresql"


def dialect_of(session: Session) -> str:
    return session.get_bind().dialect.name


def insert_new(session: Session, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT for `table` that skips rows whose unique key exists."""
    if dialect_of(session) == POSTGRESQL:
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - all its drivers, which SQLite does not need

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def is_alone(session: Session) -> bool:
    """Return whether a writing transaction excludes all other writers: SQLite has only one."""
    return dialect_of(session) != POSTGRESQL


def domain_of(session: Session, address: ColumnElement[str]) -> ColumnElement[str]:
    """Return an expression for the domain of an address."""
    if dialect_of(session) == POSTGRESQL:
        return func.split_part(address, "@", 2)
    return func.substr(address, func.instr(address, "@") + 1)


def local_part_of(session: Session, address: ColumnElement[str]) -> ColumnElement[str]:
    """Return an expression for what stands before the @-sign of an address, without what follows a plus there."""
    if dialect_of(session) == POSTGRESQL:
        return func.split_part(func.split_part(address, "@", 1), "+", 1)
    return func.substr(address, 1, func.instr(func.replace(address, "+", "@"), "@") - 1)


def month_of(session: Session, moment: ColumnElement[datetime]) -> ColumnElement[str]:
    """Return an expression for the month of an instant in UTC, such as 2021-09."""
    if dialect_of(session) == POSTGRESQL:
        return func.to_char(func.timezone("UTC", moment), "YYYY-MM")
    return func.strftime("%Y-%m", moment)


def minute_of(session: Session, moment: ColumnElement[datetime]) -> ColumnElement[Any]:
    """Return an expression for the minute of an instant, to group by; `instant` reads its values."""
    if dialect_of(session) == POSTGRESQL:
        return func.date_trunc("minute", moment)
    return func.substr(moment, 1, 16)


def database_now(session: Session) -> datetime:
    """Return the database's time: the one clock that workers on several machines share."""
    if dialect_of(session) == POSTGRESQL:
        # not now(): that is when the transaction began, and a take may have waited for locks since
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    written = session.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


@lru_cache(maxsize=100)  # what a take reads was planned together
def instant(value: datetime | str) -> datetime:
    """Return an instant from the driver's value."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)


class Prepared:
    """A statement of the delivery path: compiled once, then handed to the driver as it is.

    Compiling it for each window and converting every value took four fifths of the ledger's time. `build` gets the rows
    that `run` is given, with the names and types of `columns`; all rows go in one call. Results are the driver's own
    values: see `instant`.
    """

    def __init__(
        self, build: Callable[["Given"], Executable], columns: "Types | None" = None, *, changes: bool = False
    ) -> None:
        """`changes`: the statement changes something for each row, and may be executed for one at a time.

        That is faster on SQLite, as nothing crosses a network; PostgreSQL gets all rows as arrays of one statement.
        """
        self._build = build
        self._columns = [Column(name, kind) for name, kind in (columns or {}).items()]
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
            order, constants = compiled.positiontup or (), dict(compiled.params)
            self._compiled[name] = _Compiled(str(compiled), order, constants, names, instants)
        statement = self._compiled[name]
        parameters = statement.arrays if name == POSTGRESQL else statement.each if self._changes else statement.document
        return connection.exec_driver_sql(statement.sql, parameters(rows, values))

    def _given(self, dialect: str) -> "Given":
        if dialect == POSTGRESQL:
            return _given_arrays(self._columns)
        return _GivenOne(self._columns) if self._changes else _given_document(self._columns)


Types = Mapping[str, TypeEngine[Any]]
"""Column types by name."""
Given = Any
"""What `build` gets: an object with `c`, which has a column for each name."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    order: Sequence[str]
    constants: Mapping[str, Any]
    names: Sequence[str]
    instants: Sequence[int]

    def arrays(self, rows: Sequence[Sequence[Any]], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return PostgreSQL's parameters: an array for each column."""
        columns = {f"rows_{name}": [row[place] for row in rows] for place, name in enumerate(self.names)}
        return {**self.constants, **values, **columns}

    def document(self, rows: Sequence[Sequence[Any]], values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return SQLite's parameters: all rows as one JSON document."""
        bound = {**self.constants, **values}
        if self.names:
            bound["rows"] = json.dumps(rows, default=_written)
        return tuple(_plain(bound[name]) for name in self.order)

    def each(self, rows: Sequence[Sequence[Any]], values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return SQLite's parameters, row by row."""
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
    return select(*cells).select_from(each).subquery("given")


class _GivenOne:
    """One row at a time: its columns are parameters."""

    def __init__(self, columns: Sequence[Column[Any]]) -> None:
        self.c = SimpleNamespace(**{c.name: bindparam(f"rows_{c.name}", type_=c.type) for c in columns})
