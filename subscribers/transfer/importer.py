"""Import of subscribers: the file's format is recognised, each row is decided on its own, and written in chunks.

Each chunk is a transaction: a long import does not block an unsubscribe, and an interrupted one is run again.
"""

import gc
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import bindparam, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from subscribers import store, suppression
from subscribers.address_doubts import doubt
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.models import Subscriber, Suppression
from subscribers.suppression import SuppressionReason
from subscribers.transfer.bulk import CONSENT_EVENT, SUBSCRIBER, insert_rows, new_ids
from subscribers.transfer.merge import Action, Decision, Present, decide_known, decide_new, with_interests_of
from subscribers.transfer.reading import ImportOptions, read_file
from subscribers.transfer.recoding import readable
from subscribers.transfer.report import SubscriberImportReport
from subscribers.transfer.rows import ReaderRow, Row, RowProblem, RowRules, SuppressedRow

CHUNK = 5_000
# Bounds memory for the longest lines: consent events can make one a megabyte long.
EVENTS_OF_A_CHUNK = 50_000
_TRIES = 5
_NEVER = 1 << 30
_WRITABLE = ("name", "interests", "language", "format", "frequency", "paused_until")
_KEPT = (*_WRITABLE, "state", "confirmed_at", "unsubscribed_at")
_CREATED = (
    "id", "ref", "address", "address_key", "suppression_key", "name", "interests", "language", "format", "frequency",
    "state", "confirmed_at", "unsubscribed_at", "paused_until", "created_at",
)  # fmt: skip
_DECIDED = _CREATED[5:]
_EVENT = ("subscriber_id", "kind", "method", "wording", "detail", "happened_at")
_MADE_WITH = (
    "the hash was made with another suppression key; copy suppression_key from the secrets of that installation"
)


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports files. `transaction` opens a session that commits at its end; `new_ref` returns 32 random hex digits."""

    transaction: Callable[[], AbstractContextManager[Session]]
    rules: RowRules
    secret: bytes
    new_ref: Callable[[], str]

    def run(
        self,
        stream: BinaryIO,
        now: datetime,
        *,
        dry_run: bool = False,
        asked: ImportOptions | None = None,
        add_interests: bool = False,
        progress: Callable[[int], None] = lambda _lines: None,
    ) -> SubscriberImportReport:
        """Import a file; with `dry_run` only report what would be done.

        Bad lines are reported and skipped; memory does not grow with the file. `add_interests` adds the file's
        interests to present ones. Raises ImportFileError, before writing, for a file that is unusable as a whole.
        """
        with readable(stream, asked.encoding if asked else "") as utf8, closing(_Seen()) as seen, _collecting_rarely():
            contents = read_file(utf8, self.rules, asked)
            report = SubscriberImportReport(source=contents.source, left=contents.left)
            for chunk in _chunks(contents.rows):
                readers = list(seen.first_of(self._without_hashes(chunk, report, now, dry_run=dry_run), report))
                self._decide_and_write(readers, report, now, dry_run=dry_run, add_interests=add_interests)
                line = chunk[-1].line
                del chunk, readers
                gc.collect(1)
                progress(line)
        return report

    def _without_hashes(
        self, rows: Sequence[Row], report: SubscriberImportReport, now: datetime, *, dry_run: bool
    ) -> Sequence[ReaderRow | RowProblem]:
        """Suppress the rows of which only the hash is left, and return the other rows."""
        hashes = [row for row in rows if isinstance(row, SuppressedRow)]
        others = [row for row in rows if not isinstance(row, SuppressedRow)]
        if not hashes:
            return others
        ours = suppression.key_id(self.secret)
        good = [row for row in hashes if row.made_with == ours]
        for row in hashes:
            if row.made_with != ours:
                report.add_problem(RowProblem(row.line, "suppression_key", _MADE_WITH))
        with self.transaction() as session:
            held = store.suppressed_keys(session, [row.key for row in good])
            for row in good:
                report.hashes += row.key not in held
                if not dry_run:
                    _suppress(session, row.key, SuppressionReason(row.reason), row.since or now, row.source)
        return others

    def _decide_and_write(
        self,
        rows: Sequence[ReaderRow],
        report: SubscriberImportReport,
        now: datetime,
        *,
        dry_run: bool,
        add_interests: bool,
    ) -> None:
        for left in range(_TRIES - 1, -1, -1):
            try:
                with self.transaction() as session:
                    chunk = _Chunk(session, self, now, lock=not dry_run)
                    decided, problems = chunk.decide(rows, add_interests=add_interests)
                    if not dry_run:
                        chunk.write(decided)
            except IntegrityError:  # a sign-up with one of the addresses meanwhile; the next try finds it
                if not left:
                    raise
            else:
                break
        for problem in problems:
            report.add_problem(problem)
        for row, decision in decided:
            report.add(row.line, decision)
            if decision.action != Action.SKIP and (found := doubt(row.email.key)):
                report.add_doubt(row.line, found)


Decided = list[tuple[ReaderRow, Decision]]


class _Chunk:
    """Rows of one transaction: matching with known subscribers, decisions, writes."""

    def __init__(self, session: Session, importer: Importer, now: datetime, *, lock: bool) -> None:
        self._session, self._importer, self._now, self._lock = session, importer, now, lock
        self._keys: dict[str, str] = {}
        self._known: dict[str, Present] = {}

    def decide(self, rows: Sequence[ReaderRow], *, add_interests: bool) -> tuple[Decided, list[RowProblem]]:
        """Return a decision for each row, and the rows whose reference another subscriber has."""
        secret, language, now = self._importer.secret, self._importer.rules.language, self._now
        self._keys = {row.email.key: suppression.key_of(row.email.key, secret) for row in rows}
        people = _people(self._session, list(self._keys), lock=self._lock)
        # After the locks: addresses that were erased while we waited for them are suppressed by now.
        held = store.suppressed_keys(self._session, list(self._keys.values()))
        own = store.changed_by_themselves(self._session, [row.id or 0 for row in people])
        self._known = {
            row.address_key or "": Present(
                id=row.id or 0,
                state=row.state,
                values={name: getattr(row, name) for name in _KEPT},
                suppressed=held.get(self._keys[row.address_key or ""]),
                own_hand=row.id in own,
            )
            for row in people
        }
        taken = store.taken_refs(self._session, [row.ref for row in rows if row.ref])
        decided: Decided = []
        problems = []
        for row in rows:
            present = self._known.get(row.email.key)
            if present is not None:
                wanted = with_interests_of(row, present) if add_interests else row
                decided.append((row, decide_known(wanted, present, now)))
            elif row.ref and row.ref in taken:
                problems.append(RowProblem(row.line, "ref", "this reference belongs to another reader"))
            else:
                taken |= {row.ref} if row.ref else set()
                decided.append((row, decide_new(row, held.get(self._keys[row.email.key]), language, now)))
        return decided, problems

    def write(self, decided: Decided) -> None:
        session = self._session
        created = [(row, decision) for row, decision in decided if decision.action == Action.CREATE]
        reserved = new_ids(session, SUBSCRIBER, len(created))
        ids = {row.email.key: of_id for (row, _), of_id in zip(created, reserved, strict=True)}
        insert_rows(session, SUBSCRIBER, _CREATED, (self._cells(ids, row, decision) for row, decision in created))
        self._change(decided)
        for row, decision in decided:
            if decision.suppress is not None:
                when, source = row.suppressed_at or self._now, row.suppressed_by if row.suppressed_at else "import"
                _suppress(session, self._keys[row.email.key], decision.suppress, when, source)
        ids |= {key: present.id for key, present in self._known.items()}
        insert_rows(session, CONSENT_EVENT, _EVENT, self._events(decided, ids))

    def _cells(self, ids: dict[str, int], row: ReaderRow, decision: Decision) -> list[Any]:
        key = row.email.key
        own = [ids[key], row.ref or self._importer.new_ref(), row.email.address, key, self._keys[key]]
        return own + [decision.values[name] for name in _DECIDED]

    def _change(self, decided: Decided) -> None:
        updated = [(row, decision) for row, decision in decided if decision.action == Action.UPDATE and decision.values]
        known = [(self._known[row.email.key], decision) for row, decision in updated]
        changes = [{"of": present.id, **present.values, **decision.values} for present, decision in known]
        if changes:
            statement = update(Subscriber).where(col(Subscriber.id) == bindparam("of"))
            self._session.connection().execute(statement.values({name: bindparam(name) for name in _KEPT}), changes)

    def _events(self, decided: Decided, ids: dict[str, int]) -> Iterator[list[Any]]:
        for row, decision in decided:
            if decision.action == Action.CREATE and row.consent is not None:
                for past in row.consent:  # from an export of ours, unchanged
                    yield [ids[row.email.key], past.kind, past.method, past.wording, past.detail, past.happened_at]
            elif decision.action in {Action.CREATE, Action.UPDATE}:
                yield _event(ids[row.email.key], row, decision, self._now)


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Run the garbage collector after each chunk only: rows make no cycles, and it took a seventh of the time.

    Few, but large: a session's cycles hold the rows and statements of its chunk. Left alone, they were 220 bytes a row.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(_NEVER, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


class _Seen:
    """Addresses of the file so far, with their lines, in a temporary SQLite database: memory stays flat."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA cache_size = -8192")
        self._database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def first_of(self, rows: Iterable[ReaderRow | RowProblem], report: SubscriberImportReport) -> Iterator[ReaderRow]:
        """Yield the rows whose address has not occurred before; report the rest."""
        insert = self._database.execute
        for row in rows:
            if isinstance(row, RowProblem):
                report.add_problem(row)
                continue
            added = insert("INSERT OR IGNORE INTO seen VALUES (?, ?)", (row.email.key, row.line))
            if added.rowcount:
                yield row
            else:
                (line,) = insert("SELECT line FROM seen WHERE key = ?", (row.email.key,)).fetchone()
                message = f"the same address as on line {line}, which is used"
                report.add_duplicate(RowProblem(row.line, "email", message))

    def close(self) -> None:
        self._database.close()


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    events = 0
    for row in rows:
        chunk.append(row)
        events += len(row.consent or ()) if isinstance(row, ReaderRow) else 0
        if len(chunk) >= CHUNK or events >= EVENTS_OF_A_CHUNK:
            yield chunk
            chunk, events = [], 0
    if chunk:
        yield chunk


def _people(session: Session, keys: Sequence[str], *, lock: bool) -> Sequence[Subscriber]:
    statement = select(Subscriber).where(col(Subscriber.address_key).in_(keys)).order_by(col(Subscriber.id))
    # Locked in id order, as everywhere: different orders would deadlock.
    rows = session.exec(statement.with_for_update() if lock else statement).all()
    for row in rows:
        session.expunge(row)
    return rows


def _suppress(session: Session, key: str, reason: SuppressionReason, since: datetime, source: str) -> None:
    if session.get(Suppression, key) is None:
        session.add(Suppression(key=key, reason=reason, source=source, created_at=since))
        store.lock_by_suppression_key(session, key)
    else:
        suppression.add(session, key, reason, since, source=source)


def _event(subscriber_id: int, row: ReaderRow, decision: Decision, now: datetime) -> list[Any]:
    left = decision.action == Action.UPDATE and row.status == "unsubscribed"
    detail = {
        "source": row.consent_source,
        "status": row.status,
        "confirmed_at": row.confirmed_at.isoformat() if row.confirmed_at else None,
    }
    if row.opted_in_at:
        detail["opted_in_at"] = row.opted_in_at.isoformat()
    kind = ConsentKind.UNSUBSCRIBED if left else ConsentKind.IMPORTED
    return [subscriber_id, kind.value, ConsentMethod.IMPORT.value, "", detail, now]
