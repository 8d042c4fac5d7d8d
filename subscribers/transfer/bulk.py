"""Bulk inserts: COPY on PostgreSQL, executemany on SQLite; the ORM would take several times as long."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Table, func, select, text
from sqlmodel import Session, SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

from subscribers.models import ConsentEvent, Subscriber, Suppression

POSTGRESQL = "postgresql"


def table_of(model: type[SQLModel]) -> Table:
    """Return a model's table."""
    table = SQLModel.metadata.tables[str(model.__tablename__)]
    assert isinstance(table, Table)  # noqa: S101 - for the type checker
    return table


SUBSCRIBER, CONSENT_EVENT, SUPPRESSION = table_of(Subscriber), table_of(ConsentEvent), table_of(Suppression)


def new_ids(session: Session, table: Table, count: int) -> Sequence[int]:
    """Reserve ids, so that rows of two tables can be written without reading back; on SQLite they must be used."""
    if not count:
        return ()
    if _is_postgresql(session):
        sequence = text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)")
        return session.execute(sequence, {"name": table.name, "count": count}).scalars().all()
    last = session.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    return range(last + 1, last + 1 + count)


def insert_rows(session: Session, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows, with cells in the order of `columns`; instants are aware, JSON is a dict."""
    names = ", ".join(columns)
    connection = session.connection()
    convert = _json if _is_postgresql(session) else _plain
    kinds = [table.c[name].type for name in columns]
    converted = JSON if convert is _json else (JSON, UTCDateTime)
    places = [place for place, kind in enumerate(kinds) if isinstance(kind, converted)]
    ready = _converted(rows, places, convert)
    if convert is _json:
        raw = connection.connection.driver_connection
        assert raw is not None  # noqa: S101 - for the type checker
        with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in ready:
                copy.write_row(row)
    elif cells := list(ready):
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", cells)  # noqa: S608


def _converted(
    rows: Iterable[Sequence[Any]], places: Sequence[int], convert: Callable[[Any], Any]
) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        cells = list(row)
        for place in places:
            cells[place] = convert(cells[place])
        yield tuple(cells)


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == POSTGRESQL


def _json(value: dict[str, object]) -> str:
    return json.dumps(value)


def _plain(cell: Any) -> Any:
    if cell is None:
        return None
    return _written(cell) if isinstance(cell, datetime) else _json(cell)


@lru_cache(maxsize=1_000)
def _written(moment: datetime) -> str:
    """Return an instant as SQLAlchemy stores it in SQLite."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
