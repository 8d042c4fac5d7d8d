"""Integrity of the database: its own check of pages and indexes, and a read of every row."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlmodel import select

from digest.editions import fragments
from digest.issues.models import Issue
from digest.runtime.db import READ_ONLY, damage_in, explain, session_scope
from digest.runtime.text import count_of

MOST_MESSAGES = 20
"""A broken page has a message for each of its rows."""
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
_INDEXES = """SELECT x.oid, x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_am a ON a.oid = x.relam WHERE i.indrelid = to_regclass(:it) AND a.amname = 'btree' AND i.indisvalid"""
_AMCHECK = """SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'amcheck'"""


@dataclass(frozen=True, slots=True)
class Damage:
    """One fault of the database. `table` is empty where it cannot be told."""

    table: str
    message: str

    def __str__(self) -> str:
        return f"{self.table}: {self.message}" if self.table else self.message


@dataclass(frozen=True, slots=True)
class Integrity:
    """The result of a check. `not_checked` says what could not be looked at, `remedy` what helps."""

    damage: tuple[Damage, ...]
    not_checked: str = ""
    remedy: str = ""


def check(engine: Engine, tables: Iterable[str]) -> Integrity:
    """Look for damage in the database, on a server in our `tables` only. Raises DatabaseUnreachableError."""
    try:
        found = _by_database(engine, tables)
        return found if found.damage else replace(found, damage=tuple(_of_editions(engine)))
    except DBAPIError as error:
        raise explain(error) from error


def _by_database(engine: Engine, tables: Iterable[str]) -> Integrity:
    if engine.dialect.name == "sqlite":
        with engine.execution_options(**{READ_ONLY: True}).connect() as connection:
            return Integrity(tuple(damage_of(cast("sqlite3.Connection", connection.connection.driver_connection))))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return _of_server(connection, sorted({*tables} & set(inspect(connection).get_table_names())))


def _of_editions(engine: Engine) -> list[Damage]:
    """Return stored fragments that have changed, are missing, or belong to no edition: no database looks at that."""
    with session_scope(engine, read_only=True) as session:
        numbers = dict(session.exec(select(Issue.id, Issue.number)).all())
        found = [
            fault
            for issue_id in fragments.issues_with_editions(session)
            for fault in fragments.faults(session, issue_id)
        ]
    return [Damage("fragment", f"issue {numbers.get(fault.issue_id)}, {fault}") for fault in found[:MOST_MESSAGES]]


def damage_of(connection: sqlite3.Connection) -> list[Damage]:
    """Return the damage of a SQLite database: of its pages and indexes, its rows, and its foreign keys."""
    whole = _faults(connection, f"PRAGMA integrity_check({MOST_MESSAGES})")
    try:
        names = [name for (name,) in connection.execute(_TABLES)]
    except sqlite3.DatabaseError as error:
        return [Damage("", str(error))]
    found = []
    for name in names:
        # messages about the whole file name pages, not tables; SQLite has no checksums, but a text whose bytes have
        # changed is often no text any more
        pages = _faults(connection, f'PRAGMA integrity_check("{name}")') if whole else []
        found += [Damage(name, fault) for fault in pages or _faults(connection, f'SELECT * FROM "{name}"')]  # noqa: S608
    return (found or [Damage("", fault) for fault in whole] or _orphans(connection))[:MOST_MESSAGES]


def row_counts(connection: sqlite3.Connection) -> dict[str, int]:
    names = [name for (name,) in connection.execute(_TABLES)]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608


def _faults(connection: sqlite3.Connection, query: str) -> list[str]:
    """Return what a check says, or why a table cannot be read."""
    found: list[str] = []
    try:
        for row in connection.execute(query):
            if query.startswith("PRAGMA"):
                found += [line for line in str(row[0]).splitlines() if line != "ok" and not line.startswith("*** in ")]
    except sqlite3.DatabaseError as error:
        damage = damage_in(error)
        if not damage:
            raise
        found.append(damage)
    return found


def _orphans(connection: sqlite3.Connection) -> list[Damage]:
    counted: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        counted[table, parent] = counted.get((table, parent), 0) + 1
    return [
        Damage(table, f"{count_of(count, 'row belongs', 'rows belong')} to a row of {parent} that does not exist")
        for (table, parent), count in counted.items()
    ]


def _of_server(connection: Connection, tables: list[str]) -> Integrity:
    found: list[Damage] = []
    for table in tables:
        # as text, so that long values, which are stored elsewhere, are read, too
        found += _asked(connection, table, f'SELECT sum(length(t::text)) FROM "{table}" t')  # noqa: S608
    schema = connection.execute(text(_AMCHECK)).scalar()
    if schema is None:
        told = "amcheck is not installed in this database: rows were read, but indexes were not checked"
        return Integrity(tuple(found), told, "As a superuser, run CREATE EXTENSION amcheck in it, then check again.")
    try:
        for table in tables:
            for oid, name in connection.execute(text(_INDEXES), {"it": f'"{table}"'}).all():
                found += _asked(connection, table, f"SELECT {schema}.bt_index_check({oid}::regclass, true)", name)
            heap = f"SELECT blkno, msg FROM {schema}.verify_heapam('\"{table}\"'::regclass, check_toast => true)"  # noqa: S608
            found += _asked(connection, table, heap)
    except ProgrammingError as error:  # not granted, or older than PostgreSQL 14
        told = f"amcheck could not be run: {str(error.orig).splitlines()[0]}"
        remedy = "Check as a superuser, or have one grant this user EXECUTE on amcheck's functions."
        return Integrity(tuple(found[:MOST_MESSAGES]), told, remedy)
    return Integrity(tuple(dict.fromkeys(found))[:MOST_MESSAGES])


def _asked(connection: Connection, table: str, query: str, index: str = "") -> list[Damage]:
    about = f"index {index}: " if index else ""
    try:
        rows = connection.execute(text(query)).all()
    except DBAPIError as error:
        if damage := damage_in(error.orig):
            return [Damage(table, about + damage)]
        raise
    return [Damage(table, f"page {row.blkno}: {row.msg}") for row in rows if hasattr(row, "msg")]
