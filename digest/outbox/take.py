"""Taking: claim, guard and attempt in one commit, so that nothing is on the wire that the database does not know.

The caller commits, and must send nothing before that commit is known to have succeeded (DESIGN, section 4).
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, bindparam, false, func, insert, select, update
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, IS_STARTED, ISSUE, SUBSCRIBER, Promised


def envelope_id(promised: Promised, of_id: int, planned_at: datetime) -> str:
    """Return the id by which transports and logs know a promise, at every attempt.

    It holds the instant of planning, because ids begin at 1 in each database: a Maildir that outlives its database, or
    is shared by two, must not take one promise for another.
    """
    return f"{promised.value}-{of_id}-{int(planned_at.timestamp() * 1_000_000):x}"


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt that may go on the wire once its transaction is committed.

    `planned_at` is when the promise was made: with its id it names the promise beyond this database (`envelope_id`).
    `tries` counts the tries that a server has put off, and this one; `first_try` is when the first of them began.
    Attempts that ended before the envelope do not count: they do not say how long the other side has been refusing.
    """

    promised: Promised
    id: int
    attempt_id: str
    tries: int
    first_try: datetime
    planned_at: datetime

    @property
    def envelope_id(self) -> str:
        """The id by which transports and logs know the promise."""
        return envelope_id(self.promised, self.id, self.planned_at)


@dataclass(frozen=True, slots=True)
class Reader:
    """A recipient, as they are at the moment of the take."""

    ref: str
    address: str
    name: str
    language: str
    format: str
    interests: str


@dataclass(frozen=True, slots=True)
class Taken(Started):
    """A started delivery: which edition goes to whom."""

    edition_id: int
    reader: Reader


T_co = TypeVar("T_co", bound=Started, covariant=True)


@dataclass(frozen=True, slots=True)
class Window(Generic[T_co]):
    """What one take brought: the started ones, and how many were skipped because they are no longer eligible."""

    started: tuple[T_co, ...]
    skipped: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether nothing was due."""
        return not self.started and not self.skipped


def new_attempt_id() -> str:
    """Return a random id of 32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Taker:
    """In whose name attempts are started.

    `relay` names the transport in each attempt, so that after a crash one knows whose evidence counts.
    """

    worker_id: str
    relay: str
    new_id: Callable[[], str] = new_attempt_id


def take(
    session: Session,
    taker: Taker,
    issue_id: int,
    exclusion: ColumnElement[str | None],
    *,
    limit: int,
    now: datetime,
) -> Window[Taken]:
    """Start up to `limit` due deliveries of an issue that is sending and not held.

    `exclusion` is an expression over Subscriber, without the frequency, which is a rule of planning only.
    """
    if not lock_sending(session, issue_id):
        return Window(())
    due = session.execute(
        select(
            DELIVERY.c.id, DELIVERY.c.subscriber_id, DELIVERY.c.edition_id, DELIVERY.c.attempts, DELIVERY.c.created_at
        )
        .where(DELIVERY.c.issue_id == issue_id, IS_DUE, DELIVERY.c.due_at <= now)
        .order_by(DELIVERY.c.due_at, DELIVERY.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    readers = _lock_readers(session, [row.subscriber_id for row in due], exclusion)
    refused = {row.id: readers[row.subscriber_id].exclusion for row in due if readers[row.subscriber_id].exclusion}
    skip(session, Promised.DELIVERY, refused, now)
    eligible = [row for row in due if row.id not in refused]
    started = start(session, Promised.DELIVERY, eligible, taker, now)
    return Window(tuple(_taken(s, row, readers) for s, row in zip(started, eligible, strict=True)), len(refused))


def lock_sending(session: Session, issue_id: int) -> bool:
    """Lock the issue for share, so that hold and withdraw wait for us or we for them; return whether it may be sent."""
    sending = (
        select(ISSUE.c.id)
        .where(ISSUE.c.id == issue_id, ISSUE.c.state == IssueState.SENDING, ISSUE.c.held == false())
        .with_for_update(read=True)
    )
    return session.execute(sending).first() is not None


def _lock_readers(session: Session, ids: Sequence[int], exclusion: ColumnElement[str | None]) -> dict[int, Row[Any]]:
    # In id order, so that two takes cannot wait for each other. Then read in a statement of its own: its snapshot
    # is younger than the locks, and sees a suppression that came with the unsubscribe we waited for.
    chosen = SUBSCRIBER.c.id.in_(ids)
    session.execute(select(SUBSCRIBER.c.id).where(chosen).order_by(SUBSCRIBER.c.id).with_for_update(read=True)).all()
    columns = [SUBSCRIBER.c[name] for name in ("id", "ref", "address", "name", "language", "format", "interests")]
    rows = session.execute(select(*columns, exclusion.label("exclusion")).where(chosen)).all()
    return {row.id: row for row in rows}


def _taken(started: Started, row: Row[Any], readers: Mapping[int, Row[Any]]) -> Taken:
    person = readers[row.subscriber_id]
    reader = Reader(person.ref, person.address, person.name, person.language, person.format, person.interests)
    return Taken(
        started.promised,
        started.id,
        started.attempt_id,
        started.tries,
        started.first_try,
        started.planned_at,
        row.edition_id,
        reader,
    )


def skip(session: Session, promised: Promised, reasons: Mapping[int, str], now: datetime) -> None:
    """Settle promises, locked by the caller, as skipped: id to reason."""
    if not reasons:
        return
    table = promised.table
    session.execute(
        update(table)
        .where(table.c.id == bindparam("of_id"))
        .values(state=State.SKIPPED.value, reason=bindparam("why"), settled_at=now),
        [{"of_id": of_id, "why": why} for of_id, why in reasons.items()],
    )


def start(session: Session, promised: Promised, rows: Sequence[Row[Any]], taker: Taker, now: datetime) -> list[Started]:
    """Write an attempt for each promise, in the order of `rows`; the caller has locked them and read them."""
    if not rows:
        return []
    table = promised.table
    history = _put_off(session, promised, [row.id for row in rows if row.attempts])
    started = [
        Started(promised, row.id, taker.new_id(), *history.get(row.id, (1, now)), row.created_at) for row in rows
    ]
    session.execute(
        update(table)
        .where(table.c.id == bindparam("of_id"))
        .values(
            state=State.STARTED.value,
            reason="",
            attempts=table.c.attempts + 1,
            attempt_id=bindparam("attempt"),
            worker_id=taker.worker_id,
            started_at=now,
            settled_at=None,
        ),
        [{"of_id": one.id, "attempt": one.attempt_id} for one in started],
    )
    fixed = {"worker_id": taker.worker_id, "started_at": now, "reply": "", "relay": taker.relay}
    session.execute(insert(ATTEMPT), [{"id": one.attempt_id, promised.attempt_key: one.id, **fixed} for one in started])
    return started


def _put_off(session: Session, promised: Promised, ids: Sequence[int]) -> dict[int, tuple[int, datetime]]:
    if not ids:
        return {}
    key = ATTEMPT.c[promised.attempt_key]
    rows = session.execute(
        select(key, func.count(), func.min(ATTEMPT.c.started_at))
        .where(key.in_(ids), ATTEMPT.c.outcome == State.DEFERRED.value)
        .group_by(key)
    )
    return {of_id: (count + 1, first) for of_id, count, first in rows}


def started_by(session: Session, worker_id: str) -> dict[Promised, list[tuple[int, str]]]:
    """Return (id, attempt id) of what is started in this worker's name.

    When the result of a take's commit is unknown, this tells it; the worker sends nothing before it has asked.
    """
    found = {}
    for promised in Promised:
        table = promised.table
        rows = session.execute(select(table.c.id, table.c.attempt_id).where(IS_STARTED, table.c.worker_id == worker_id))
        found[promised] = [(row.id, row.attempt_id) for row in rows]
    return found
