"""Proof of erasure: search for a person in all text columns, the SQLite file and the workspace's state files."""

import json
import logging
import mmap
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
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
class Searched:
    """A searched place: number of rows or bytes, and how often the address and the name were found."""

    place: str
    size: int
    address: int
    name: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Searched places; the proof is that the address was found nowhere. Names may occur in other texts."""

    looked: tuple[Searched, ...]
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
        """Return the proof as JSON values."""
        places = [asdict(one) for one in self.looked]
        return {"found": self.found, "name_found": self.names, "files_changed": dict(self.changed), "looked": places}


def prove(context: MembershipContext, erased: Erased, changed: Mapping[str, int] | None = None) -> Proof:
    """Search everywhere for a person, after a checkpoint of SQLite's log; VACUUM its file if they are found there."""
    looked = list(_in_tables(context.engine, erased))
    files = list(_in_sqlite(context.engine, erased))
    if any(one.address for one in files) and not any(one.address for one in looked):
        # free pages, from before erasing overwrote data
        _outside_transactions(context.engine, "VACUUM")
        files = list(_in_sqlite(context.engine, erased))
    return Proof((*looked, *files, *_in_workspace(context, erased)), changed or {})


def _in_tables(engine: Engine, erased: Erased) -> Iterator[Searched]:
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
                yield Searched(f"{name}.{column['name']}", size, max(address or 0, key or 0), person or 0)


def _holds_text(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, String | Text | JSON) or "json" in type(kind).__name__.lower()


def _needles(erased: Erased) -> tuple[str, str, str]:
    """Return the texts to search for: the address as sent, its key, and the name unless it is too short."""
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


def _in_sqlite(engine: Engine, erased: Erased) -> Iterator[Searched]:
    """Search the bytes of the database file and its log, where deleted data may remain."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    _outside_transactions(engine, "PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("", "-wal"):
        path = Path(engine.url.database + suffix)
        if path.is_file():
            yield _in_file(path, erased)


def _outside_transactions(engine: Engine, statement: str) -> None:
    """Execute a statement outside of transactions, unless another connection prevents it, as the search then shows."""
    raw = engine.raw_connection()
    try:
        raw.driver_connection.execute(statement)  # type: ignore[union-attr]
    except sqlite3.OperationalError:
        logger.warning("%s: the database is in use", statement)
    finally:
        raw.close()


def _in_file(path: Path, erased: Erased) -> Searched:
    size = path.stat().st_size
    if not size:
        return Searched(path.name, 0, 0, 0)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        address, key, name = (_occurrences(data, needle) for needle in _needles(erased))
    return Searched(path.name, size, max(address, key), name)


def _occurrences(data: mmap.mmap, needle: str) -> int:
    if not needle:
        return 0
    wanted, count, at = needle.encode(), 0, -1
    while (at := data.find(wanted, at + 1)) >= 0:
        count += 1
    return count


def _in_workspace(context: MembershipContext, erased: Erased) -> Iterator[Searched]:
    files = sorted(filter(Path.is_file, (context.settings.workspace / ".state").rglob("*")))
    found = [_in_file(path, erased) for path in files]
    yield Searched(".state", len(files), sum(one.address for one in found), sum(one.name for one in found))
    if context.settings.delivery.transport == "maildir":
        maildir = MaildirTransport(context.settings.workspace / context.settings.delivery.maildir)
        yield Searched(
            context.settings.delivery.maildir, len(erased.mails), sum(map(maildir.evidence, erased.mails)), 0
        )
