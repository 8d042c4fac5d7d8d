"""Readers in and out: import in chunks, export, and everything we know about one person.

Each chunk is a transaction of its own, so that a long import never keeps an unsubscribe waiting, and one that was
broken off is simply run again.
"""

import csv
import io
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from sqlalchemy import bindparam, insert, update
from sqlmodel import Session, col, select

from subscribers import store, suppression
from subscribers.address import EmailAddress
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import SubscriberNotFoundError
from subscribers.merge import Action, Decision, Present, decide_known, decide_new
from subscribers.models import ConsentEvent, Subscriber
from subscribers.rows import COLUMNS, ReaderRow, RowProblem, RowRules, as_cells, read_rows
from subscribers.suppression import PERSONAL

CHUNK = 10_000
# Of a file in which every line is wrong, nobody reads more; the counts are complete.
MAX_TOLD = 1_000
_WRITABLE = ("name", "interests", "language", "format", "frequency", "paused_until")
_KEPT = (*_WRITABLE, "state", "confirmed_at", "unsubscribed_at")


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A line that was read but not followed, because the person's own word or the never-send list stands above it."""

    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do. The lists hold the first thousand; the counts are of all."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    kept_count: int = 0
    problem_count: int = 0
    kept: list[KeptRow] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)

    def add_problem(self, problem: RowProblem) -> None:
        """Count a problem and keep it if there is room."""
        self.problem_count += 1
        if len(self.problems) < MAX_TOLD:
            self.problems.append(problem)

    def add(self, line: int, decision: Decision) -> None:
        """Count what became of a line."""
        match decision.action:
            case Action.CREATE:
                self.created += 1
            case Action.UPDATE:
                self.updated += 1
            case Action.UNCHANGED:
                self.unchanged += 1
            case Action.KEEP:
                self.kept_count += 1
                if len(self.kept) < MAX_TOLD:
                    self.kept.append(KeptRow(line, decision.reason))


@dataclass(frozen=True, slots=True)
class Importer:
    """Brings a file in. `transaction` opens a session that commits at its end; `new_ref` gives 32 random hex digits."""

    transaction: Callable[[], AbstractContextManager[Session]]
    rules: RowRules
    secret: bytes
    new_ref: Callable[[], str]

    def run(self, stream: BinaryIO, now: datetime, *, dry_run: bool = False) -> ImportReport:
        """Read the CSV file and write its readers; with `dry_run` only say what would be done.

        A bad line never stops a good one. Memory does not grow with the file. Raises ImportFileError when the first
        line makes the file useless as a whole; nothing has been written then.
        """
        report = ImportReport()
        with closing(_Seen()) as seen:
            rows = read_rows(stream, self.rules)
            while chunk := list(islice(rows, CHUNK)):
                readers = list(seen.first_of(chunk, report))
                with self.transaction() as session:
                    self._chunk(session, readers, report, now, dry_run=dry_run)
        return report

    def _chunk(
        self, session: Session, rows: Sequence[ReaderRow], report: ImportReport, now: datetime, *, dry_run: bool
    ) -> None:
        keys = {row.email.key: suppression.key_of(row.email.key, self.secret) for row in rows}
        held = store.suppressed_keys(session, list(keys.values()))
        known = _known(session, list(keys), {key: held.get(hashed) for key, hashed in keys.items()}, lock=not dry_run)
        decided: list[tuple[ReaderRow, Decision]] = []
        for row in rows:
            present = known.get(row.email.key)
            decision = (
                decide_new(row, held.get(keys[row.email.key]), self.rules.language, now)
                if present is None
                else decide_known(row, present, now)
            )
            report.add(row.line, decision)
            decided.append((row, decision))
        if dry_run:
            return
        created = [
            {"ref": self.new_ref(), "address": row.email.address, "address_key": row.email.key}
            | {"suppression_key": keys[row.email.key], "created_at": now}
            | decision.values
            for row, decision in decided
            if decision.action == Action.CREATE
        ]
        _write(session, created, decided, known=known, keys=keys, now=now)


class _Seen:
    """The addresses of this file so far, with their lines; in a private file of SQLite's, so that memory stays flat."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def first_of(self, rows: Iterable[ReaderRow | RowProblem], report: ImportReport) -> Iterator[ReaderRow]:
        """Yield the readers whose address has not occurred before; report the rest."""
        for row in rows:
            if isinstance(row, RowProblem):
                report.add_problem(row)
                continue
            added = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (row.email.key, row.line))
            if added.rowcount:
                yield row
            else:
                (line,) = self._database.execute("SELECT line FROM seen WHERE key = ?", (row.email.key,)).fetchone()
                message = f"the same address as on line {line}, which counts"
                report.add_problem(RowProblem(row.line, "email", message))

    def close(self) -> None:
        """Forget the addresses."""
        self._database.close()


def _known(
    session: Session, keys: Sequence[str], suppressed: dict[str, str | None], *, lock: bool
) -> dict[str, Present]:
    statement = select(Subscriber).where(col(Subscriber.address_key).in_(keys)).order_by(col(Subscriber.id))
    # Locked in id order, as everybody locks subscribers: two who lock in different orders would wait for each other.
    rows = session.exec(statement.with_for_update() if lock else statement).all()
    own = store.changed_by_themselves(session, [row.id or 0 for row in rows])
    known = {
        row.address_key or "": Present(
            id=row.id or 0,
            state=row.state,
            values={name: getattr(row, name) for name in _KEPT},
            suppressed=suppressed[row.address_key or ""],
            own_hand=row.id in own,
        )
        for row in rows
    }
    for row in rows:
        session.expunge(row)
    return known


def _write(
    session: Session,
    created: Sequence[dict[str, Any]],
    decided: Sequence[tuple[ReaderRow, Decision]],
    *,
    known: dict[str, Present],
    keys: dict[str, str],
    now: datetime,
) -> None:
    connection = session.connection()
    if created:
        connection.execute(insert(Subscriber), created)
    changes = [
        {"of": known[row.email.key].id} | {name: known[row.email.key].values[name] for name in _KEPT} | decision.values
        for row, decision in decided
        if decision.action == Action.UPDATE and decision.values
    ]
    if changes:
        statement = update(Subscriber).where(col(Subscriber.id) == bindparam("of"))
        connection.execute(statement.values({name: bindparam(name) for name in _KEPT}), changes)
    for row, decision in decided:
        if decision.suppress is not None:
            suppression.add(session, keys[row.email.key], decision.suppress, now, source="import")
    ids = {key: present.id for key, present in known.items()}
    ids |= _ids(session, [row["address_key"] for row in created])
    events = [_event(ids[row.email.key], row, decision, now) for row, decision in decided if _counts(decision)]
    if events:
        connection.execute(insert(ConsentEvent), events)


def _ids(session: Session, keys: Sequence[str]) -> dict[str, int]:
    statement = select(Subscriber.address_key, Subscriber.id).where(col(Subscriber.address_key).in_(keys))
    return {str(key): number or 0 for key, number in session.exec(statement).all()}


def _counts(decision: Decision) -> bool:
    return decision.action in {Action.CREATE, Action.UPDATE}


def _event(subscriber_id: int, row: ReaderRow, decision: Decision, now: datetime) -> dict[str, Any]:
    left = decision.action == Action.UPDATE and row.status == "unsubscribed"
    return {
        "subscriber_id": subscriber_id,
        "kind": ConsentKind.UNSUBSCRIBED if left else ConsentKind.IMPORTED,
        "method": ConsentMethod.IMPORT,
        "wording": "",
        "detail": {
            "source": row.consent_source,
            "status": row.status,
            "confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else None,
        },
        "happened_at": now,
    }


def export_csv(session: Session) -> Iterator[str]:
    """Yield the lines of a CSV file of every reader but the erased, in the form that the import takes.

    The first line begins with a byte order mark: spreadsheets would take Korean names for something else without it.
    Who left or is suppressed is in it too, so that another installation keeps to it.
    """
    yield "\ufeff" + as_csv(COLUMNS)
    for people in store.everyone(session):
        sources = store.consent_sources(session, [person.id or 0 for person in people])
        held = store.suppressed_keys(session, [person.suppression_key or "" for person in people])
        for person in people:
            reason = held.get(person.suppression_key or "")
            status = "suppressed" if reason is not None and reason not in PERSONAL else person.state
            yield as_csv(as_cells(_line(person, status, sources.get(person.id or 0, ""))))


def _line(person: Subscriber, status: str, source: str) -> dict[str, str]:
    return {
        "email": person.address,
        "name": person.name,
        # A blank cell would come back as "all".
        "interests": person.interests or ";",
        "language": person.language,
        "format": person.format,
        "frequency": person.frequency,
        "status": status,
        "confirmed_at": person.confirmed_at.isoformat() if person.confirmed_at else "",
        "consent_source": source,
        "paused_until": person.paused_until.isoformat() if person.paused_until else "",
    }


def as_csv(cells: Sequence[str]) -> str:
    """Return one line of CSV with its end."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def show(session: Session, address: str) -> dict[str, Any]:
    """Return everything we know about the person at `address`, ready for JSON.

    This is also what somebody gets who asks for their data. Raises SubscriberNotFoundError and AddressError.
    """
    person = store.by_key(session, EmailAddress.parse(address).key)
    if person is None:
        raise SubscriberNotFoundError
    held = suppression.lookup(session, person.suppression_key) if person.suppression_key else None
    return {
        "address": person.address,
        "name": person.name,
        "language": person.language,
        "format": person.format,
        "frequency": person.frequency,
        "state": person.state,
        "interests": [slug for slug in person.interests.split(";") if slug],
        "created_at": person.created_at.isoformat(),
        "confirmed_at": person.confirmed_at.isoformat() if person.confirmed_at else None,
        "unsubscribed_at": person.unsubscribed_at.isoformat() if person.unsubscribed_at else None,
        "paused_until": person.paused_until.isoformat() if person.paused_until else None,
        "consent": [
            {
                "kind": event.kind,
                "method": event.method,
                "wording": event.wording,
                "detail": event.detail,
                "at": event.happened_at.isoformat(),
            }
            for event in store.events(session, person)
        ],
        "suppression": {"reason": held.reason, "since": held.created_at.isoformat()} if held else None,
    }
