"""Fragments of an issue's editions: pieces of their parts, each stored once for all editions. Callers commit."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import LargeBinary, Text, cast, func, insert
from sqlmodel import Session, col, select

from digest.editions.models import Edition, EditionFragments, StoredFragment
from digest.runtime.db import DatabaseDamagedError

HTML, TEXT = PARTS = "html", "text"
UNREADABLE = 0
"""The number of no fragment."""
_AT_ONCE = 500
"""Rows read by one statement, which takes so many values only."""


@dataclass(slots=True)
class FragmentNumbers:
    """The numbers of an issue's fragments by hash; a piece that the issue does not have gets the next one."""

    issue_id: int
    by_hash: dict[str, int]
    fresh: list[dict[str, object]] = field(default_factory=list)
    _by_piece: dict[str, int] = field(default_factory=dict)
    _last: int = 0

    @classmethod
    def of_issue(cls, session: Session, issue_id: int) -> "FragmentNumbers":
        query = select(StoredFragment.content_hash, StoredFragment.number).where(StoredFragment.issue_id == issue_id)
        known = dict(session.exec(query).all())
        return cls(issue_id, known, _last=max(known.values(), default=0))

    def of(self, pieces: Iterable[str]) -> list[int]:
        """Return the numbers of pieces, without empty ones."""
        return [self._by_piece.get(piece) or self._number(piece) for piece in pieces if piece]

    def _number(self, piece: str) -> int:
        digest = fragment_hash(piece.encode())
        if digest not in self.by_hash:
            self._last += 1
            self.by_hash[digest] = self._last
            row = {"issue_id": self.issue_id, "number": self._last, "content_hash": digest, "content": piece}
            self.fresh.append(row)
        self._by_piece[piece] = number = self.by_hash[digest]
        return number

    def store(self, session: Session) -> None:
        """Store the pieces that are new."""
        if self.fresh:
            session.execute(insert(StoredFragment), self.fresh)


def fragment_hash(content: bytes) -> str:
    """Return the hash of a fragment in UTF-8."""
    return hashlib.sha256(content).hexdigest()


def lists_of(session: Session, edition_ids: Collection[int]) -> dict[int, dict[str, list[int]]]:
    """Return, by edition and part, the numbers of its fragments; editions of before there were fragments have none.

    A list that cannot be read is one of `UNREADABLE`.
    """
    rows, found = EditionFragments, dict[int, dict[str, list[int]]]()
    query = select(rows.edition_id, rows.part, cast(rows.fragments, Text))
    for some in _batches(edition_ids):
        for edition_id, part, written in session.exec(query.where(col(rows.edition_id).in_(some))):
            found.setdefault(edition_id, {})[part] = _numbers_in(written)
    return found


def _numbers_in(written: str) -> list[int]:
    try:
        numbers = json.loads(written)
    except ValueError:
        return [UNREADABLE]
    whole = isinstance(numbers, list) and all(isinstance(one, int) for one in numbers)
    return numbers if whole else [UNREADABLE]


def contents(session: Session, issue_id: int, numbers: Collection[int], *, checked: bool = False) -> dict[int, str]:
    """Return fragments of an issue by number. Raises DatabaseDamagedError if one is missing or, `checked`, changed."""
    rows, found = StoredFragment, dict[int, str]()
    query = select(rows.number, rows.content, rows.content_hash).where(rows.issue_id == issue_id)
    for some in _batches(numbers):
        for number, content, digest in session.exec(query.where(col(rows.number).in_(some))):
            found[number] = content
            if checked and fragment_hash(content.encode()) != digest:
                raise DatabaseDamagedError(f"Fragment {number} of the stored editions differs from what was frozen")
    if missing := set(numbers) - found.keys():
        raise DatabaseDamagedError(f"Fragment {min(missing)} of the stored editions is missing")
    return found


def _batches(numbers: Iterable[int]) -> Iterable[list[int]]:
    ordered = sorted(numbers)
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


# Faults


class FaultKind(StrEnum):
    """What is wrong with a stored fragment."""

    CHANGED = "changed"
    MISSING = "missing"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class FragmentFault:
    """A stored fragment that is not what was frozen, and the editions that hold it."""

    issue_id: int
    number: int
    kind: FaultKind
    editions: tuple[int, ...]
    content: str = ""

    def __str__(self) -> str:
        """Say what is wrong, without the issue."""
        if self.number == UNREADABLE:
            return f"the list of fragments cannot be read{in_editions(self.editions)}"
        what = {
            FaultKind.CHANGED: "differs from what was frozen: its hash does not match",
            FaultKind.MISSING: "is missing",
            FaultKind.UNUSED: "belongs to no edition",
        }
        return f"fragment {self.number} {what[self.kind]}{in_editions(self.editions)}"


def in_editions(ids: Sequence[int], most: int = 10) -> str:
    """Return in words which editions something is in."""
    named = ", ".join(map(str, ids[:most]))
    more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
    return f" (edition{'s' if len(ids) > 1 else ''} {named}{more})" if ids else ""


def issues_with_editions(session: Session) -> list[int]:
    """Return the ids of issues with editions or fragments."""
    tables = (Edition.issue_id, StoredFragment.issue_id)
    return sorted({one for column in tables for one in session.exec(select(column).distinct())})


def _as_bytes(session: Session) -> Any:
    """Return the content as bytes, which may be no text any more on SQLite."""
    content = col(StoredFragment.content)
    of_server = session.get_bind().dialect.name == "postgresql"
    return func.convert_to(content, "UTF8") if of_server else cast(content, LargeBinary)


def faults(session: Session, issue_id: int) -> list[FragmentFault]:
    """Return what is wrong with the stored fragments of an issue."""
    ids = session.exec(select(Edition.id).where(Edition.issue_id == issue_id)).all()
    users: dict[int, list[int]] = {}
    for edition_id, parts in sorted(lists_of(session, [one for one in ids if one is not None]).items()):
        for number in sorted({number for numbers in parts.values() for number in numbers}):
            users.setdefault(number, []).append(edition_id)
    query = select(StoredFragment.number, _as_bytes(session), StoredFragment.content_hash)
    found, present = [], set()
    for number, content, digest in session.exec(query.where(StoredFragment.issue_id == issue_id)):
        present.add(number)
        changed, editions = fragment_hash(content) != digest, tuple(users.get(number, ()))
        if changed or not editions:
            kind = FaultKind.CHANGED if changed else FaultKind.UNUSED
            found.append(FragmentFault(issue_id, number, kind, editions, content.decode(errors="replace")))
    lost = sorted(users.keys() - present)
    return found + [FragmentFault(issue_id, one, FaultKind.MISSING, tuple(users[one])) for one in lost]
