"""Proof that somebody is erased: every text of every table is looked through for them, and the database's own file."""

import json
import logging
import mmap
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Engine, String, Text, case, cast, func, inspect, literal, or_, select, table
from sqlalchemy.types import TypeEngine

from digest.delivery.maildir import MaildirTransport
from digest.membership.context import MembershipContext
from digest.membership.erasure import SHORTEST_NAME, Erased
from digest.runtime.db import session_scope

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looked:
    """One place that was looked through: how many rows or bytes, and how often the address and the name were found."""

    place: str
    size: int
    address: int
    name: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked through, and how often the address was found at all: 0 is the proof.

    Names are counted, too, but other people and articles may have the same words in them.
    """

    looked: tuple[Looked, ...]
    changed: Mapping[str, int] = field(default_factory=dict)

    @property
    def found(self) -> int:
        """How often the address was found."""
        return sum(one.address for one in self.looked)

    @property
    def names(self) -> int:
        """How often the name was found."""
        return sum(one.name for one in self.looked)

    def document(self) -> dict[str, object]:
        """Return it for JSON."""
        places = [{"place": o.place, "size": o.size, "address": o.address, "name": o.name} for o in self.looked]
        return {"found": self.found, "name_found": self.names, "files_changed": dict(self.changed), "looked": places}


def prove(context: MembershipContext, erased: Erased, changed: Mapping[str, int] | None = None) -> Proof:
    """Look for somebody everywhere. SQLite's log is written back first, and its file made anew if they are in it."""
    looked = list(_in_tables(context.engine, erased))
    files = list(_in_sqlite(context.engine, erased))
    if any(one.address for one in files) and not any(one.address for one in looked):
        # pages that were given up before this version overwrote what it erases
        _outside_transactions(context.engine, "VACUUM")
        files = list(_in_sqlite(context.engine, erased))
    return Proof((*looked, *files, *_in_workspace(context, erased)), changed or {})


def _in_tables(engine: Engine, erased: Erased) -> Iterator[Looked]:
    inspector = inspect(engine)
    with session_scope(engine, read_only=True) as session:
        connection = session.connection()
        for name in sorted(inspector.get_table_names()):
            for column in inspector.get_columns(name):
                if not _holds_text(column["type"]):
                    continue
                cell = func.lower(cast(Column(column["name"]), Text))
                counts = [func.count(), *(_times(cell, needle) for needle in _needles(erased))]
                size, address, key, person = connection.execute(select(*counts).select_from(table(name))).one()
                yield Looked(f"{name}.{column['name']}", size, max(address or 0, key or 0), person or 0)


def _holds_text(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, String | Text | JSON) or "json" in type(kind).__name__.lower()


def _needles(erased: Erased) -> tuple[str, str, str]:
    """Return what is looked for: the address as sent, its key, and the name if it says anything."""
    return erased.address, erased.key, erased.name if len(erased.name) >= SHORTEST_NAME else ""


def _times(cell: Any, needle: str) -> Any:
    if not needle:
        return literal(0)
    # SQLite lowers ASCII letters only, and its JSON holds \uXXXX for all others
    plain = {needle.lower(), _ascii_lower(needle)}
    written = plain | {_ascii_lower(json.dumps(needle)[1:-1])}
    return func.sum(case((or_(*(cell.like(_pattern(text), escape="!") for text in sorted(written))), 1), else_=0))


def _ascii_lower(text: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in text)


def _pattern(text: str) -> str:
    return "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def _in_sqlite(engine: Engine, erased: Erased) -> Iterator[Looked]:
    """Look through the bytes of the database's file and of its log: what the program cannot see may still be there."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    _outside_transactions(engine, "PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("", "-wal"):
        path = Path(engine.url.database + suffix)
        if path.is_file():
            yield _in_file(path, erased)


def _outside_transactions(engine: Engine, statement: str) -> None:
    """Execute what SQLite takes in no transaction; a reader may make it impossible, and the look shows it."""
    raw = engine.raw_connection()
    try:
        raw.driver_connection.execute(statement)  # type: ignore[union-attr]
    except sqlite3.OperationalError:
        logger.warning("%s: the database is in use", statement)
    finally:
        raw.close()


def _in_file(path: Path, erased: Erased) -> Looked:
    size = path.stat().st_size
    if not size:
        return Looked(path.name, 0, 0, 0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        address = max(_occurrences(data, text) for text in {erased.address, erased.key})
        name = _occurrences(data, erased.name) if len(erased.name) >= SHORTEST_NAME else 0
    return Looked(path.name, size, address, name)


def _occurrences(data: mmap.mmap, needle: str) -> int:
    if not needle:
        return 0
    wanted, count, at = needle.encode(), 0, -1
    while (at := data.find(wanted, at + 1)) >= 0:
        count += 1
    return count


def _in_workspace(context: MembershipContext, erased: Erased) -> Iterator[Looked]:
    state = context.settings.workspace / ".state"
    files = [path for path in sorted(state.rglob("*")) if path.is_file()] if state.is_dir() else []
    found = [_in_file(path, erased) for path in files]
    yield Looked(".state", len(files), sum(one.address for one in found), sum(one.name for one in found))
    if context.settings.delivery.transport == "maildir":
        maildir = MaildirTransport(context.settings.workspace / context.settings.delivery.maildir)
        yield Looked(context.settings.delivery.maildir, len(erased.mails), sum(map(maildir.evidence, erased.mails)), 0)
