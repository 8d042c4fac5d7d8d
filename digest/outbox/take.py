"""Take due promises: claim, check and attempt in one commit, so that the database knows all that is on the wire.

The caller commits, and sends nothing before that commit is known to have succeeded (DESIGN, section 4).
"""

import itertools
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import DateTime, Integer, String, bindparam, false, func, insert, literal, null, or_, select, update
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.dialects import Prepared, Types, instant
from digest.outbox.guard import Exclusion, guarded
from digest.outbox.states import DUE, Outcome, State, moves_to
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, IS_STARTED, ISSUE, Promised


def envelope_id(promised: Promised, of_id: int, planned_at: datetime) -> str:
    """Return the id by which transports and logs know a promise, at every attempt.

    It holds the time of planning, because ids begin at 1 in each database: a Maildir that outlives its database, or is
    shared by two, must not take one promise for another.
    """
    return f"{promised.value}-{of_id}-{microseconds(planned_at):x}"


@lru_cache(maxsize=100)  # deliveries of an issue are planned together
def microseconds(planned_at: datetime) -> int:
    """Return when a promise was planned, as a number that goes into ids and files."""
    return int(planned_at.timestamp() * 1_000_000)


@dataclass(slots=True)  # each mail makes one: not frozen, which costs six times as much, of eight objects a mail
class Started:
    """An attempt that may go on the wire once its transaction is committed.

    `planned_at` is when the promise was made. `tries` counts the tries that a server has deferred, and this one;
    `first_try` is when the first of them began. Attempts that ended before the envelope do not count: they do not say
    how long the server has been refusing.
    """

    promised: Promised
    id: int
    attempt_id: str
    relay: str
    tries: int
    first_try: datetime
    planned_at: datetime

    @property
    def envelope_id(self) -> str:
        return envelope_id(self.promised, self.id, self.planned_at)

    @property
    def values(self) -> tuple[Promised, int, str, str, int, datetime, datetime]:
        """The fields in their order, for a subclass that adds more."""
        return self.promised, self.id, self.attempt_id, self.relay, self.tries, self.first_try, self.planned_at


@dataclass(slots=True)  # each mail makes one: not frozen
class Recipient:
    """A recipient as read at the moment of the take."""

    ref: str
    address: str
    name: str
    language: str
    format: str
    interests: str


@dataclass(slots=True)  # each mail makes one: not frozen
class Taken(Started):
    """A started delivery: its edition, its recipient, and the family of their mailbox."""

    edition_id: int
    family: str
    reader: Recipient


T_co = TypeVar("T_co", bound=Started, covariant=True)


@dataclass(frozen=True, slots=True)
class Window(Generic[T_co]):
    """Result of a take: what was started, and how many were skipped as no longer eligible."""

    started: tuple[T_co, ...]
    skipped: int = 0

    @property
    def exhausted(self) -> bool:
        return not self.started and not self.skipped


def new_attempt_id() -> str:
    """Return a unique id of 32 hexadecimal digits: the time first (as in RFC 9562 section 5.7), the process, a count.

    Consecutive ids lie side by side in the index: with random ones each take wrote as many pages as rows.
    """
    return f"{time.time_ns() // 1_000_000:012x}{_PROCESS}{next(_COUNT):08x}"


_PROCESS = secrets.token_hex(6)
_COUNT = itertools.count()


@dataclass(frozen=True, slots=True)
class Taker:
    """The worker in whose name attempts are started.

    `relay` is stored in each attempt, so that after a crash one knows whose evidence counts; with several relays,
    `assign` names one for each of so many.
    """

    worker_id: str
    relay: str
    assign: Callable[[int], Sequence[str]] | None = None

    def ways(self, count: int) -> Sequence[str]:
        return self.assign(count) if self.assign else [self.relay] * count


@dataclass(frozen=True, slots=True)
class Share:
    """How many of a family of mailboxes may be started now."""

    family: str
    most: int


class DueDelivery(NamedTuple):
    """A due delivery, locked by the take."""

    id: int
    subscriber_id: int
    edition_id: int
    family: str
    attempts: int
    created_at: datetime


def take(
    session: Session,
    taker: Taker,
    issue_id: int,
    exclusion: Exclusion,
    *,
    limit: int,
    now: datetime,
    shares: Sequence[Share] | None = None,
) -> Window[Taken]:
    """Start up to `limit` due deliveries of an issue that is being sent and not held.

    `exclusion` leaves out the frequency, which counts only in planning. `shares` are asked in their order; without them
    every family of the issue may be started.
    """
    until = lock_sending(session, issue_id, now)
    if until is None:
        return Window(())
    if shares is None:
        shares = [Share(family, limit) for family in families_of(session, issue_id)]
    due = _due(session, issue_id, shares, limit, until)
    if not due:
        return Window(())
    people = guarded(session, [row.subscriber_id for row in due], exclusion, now)
    refused = {row.id: reason for row in due if (reason := people[row.subscriber_id].exclusion)}
    skip(session, Promised.DELIVERY, refused, now)
    eligible = [row for row in due if row.id not in refused]
    started = start(session, Promised.DELIVERY, eligible, taker, now)
    taken = (
        Taken(*one.values, row.edition_id, row.family, Recipient(*people[row.subscriber_id][1:-1]))
        for one, row in zip(started, eligible, strict=True)
    )
    return Window(tuple(taken), len(refused))


_MOMENT = timedelta(microseconds=1)
_SENDING = Prepared(
    lambda _: (
        select(ISSUE.c.rest_at)
        .where(ISSUE.c.id == bindparam("issue_id"), ISSUE.c.state == IssueState.SENDING, ISSUE.c.held == false())
        .with_for_update(read=True)
    )
)


def lock_sending(session: Session, issue_id: int, now: datetime) -> datetime | None:
    """Lock the issue for share, so that hold and withdraw wait for us or we for them; None if it may not be sent.

    Return until when a delivery must be due to be started: now, or during a canary, before the rest is.
    """
    row = _SENDING.run(session, issue_id=issue_id).first()
    if row is None or row[0] is None:
        return None if row is None else now
    return min(now, instant(row[0]) - _MOMENT)


def families_of(session: Session, issue_id: int) -> list[str]:
    """Return the mailbox families that the issue has due deliveries for, now or later."""
    query = select(DELIVERY.c.family).where(DELIVERY.c.issue_id == issue_id, IS_DUE).distinct()
    return sorted(session.execute(query).scalars())


_DUE = Prepared(
    lambda _: (
        select(*[DELIVERY.c[name] for name in DueDelivery._fields])
        .where(
            DELIVERY.c.issue_id == bindparam("issue_id"),
            DELIVERY.c.family == bindparam("family"),
            IS_DUE,
            DELIVERY.c.due_at <= bindparam("now"),
        )
        .order_by(DELIVERY.c.due_at, DELIVERY.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )
)


def _due(session: Session, issue_id: int, shares: Sequence[Share], limit: int, now: datetime) -> list[DueDelivery]:
    found: list[DueDelivery] = []
    for share in shares:
        most = min(share.most, limit - len(found))
        if most > 0:
            rows = _DUE.run(session, issue_id=issue_id, family=share.family, now=now, most=most)
            found += [DueDelivery._make((*row[:-1], instant(row[-1]))) for row in rows.fetchall()]
    return found


def skip(session: Session, promised: Promised, reasons: Mapping[int, str], now: datetime) -> None:
    """Settle promises that the caller has locked as skipped: id to reason."""
    if not reasons:
        return
    table = promised.table
    moves_to(State.SKIPPED, *DUE)
    session.execute(
        update(table)
        .where(table.c.id == bindparam("of_id"))
        .values(state=State.SKIPPED.value, reason=bindparam("why"), settled_at=now),
        [{"of_id": of_id, "why": why} for of_id, why in reasons.items()],
    )


_ROWS: Types = {"id": Integer(), "attempt": String(), "relay": String()}


@lru_cache(maxsize=2)
def _start_promises(promised: Promised) -> Prepared:
    table = promised.table
    moves_to(State.STARTED, *DUE)  # the rows are locked and were due when they were read
    return Prepared(
        lambda given: (
            update(table)
            .where(table.c.id == given.c.id)
            .values(
                state=State.STARTED.value,
                reason="",
                attempts=table.c.attempts + 1,
                attempt_id=given.c.attempt,
                worker_id=bindparam("worker"),
                started_at=bindparam("now"),
                settled_at=null(),
            )
        ),
        _ROWS,
        changes=True,
    )


@lru_cache(maxsize=2)
def _start_attempts(promised: Promised) -> Prepared:
    return Prepared(
        lambda given: insert(ATTEMPT).from_select(
            ["id", promised.attempt_key, "relay", "worker_id", "started_at", "reply", "by_evidence"],
            select(
                given.c.attempt,
                given.c.id,
                given.c.relay,
                bindparam("worker", type_=String),
                bindparam("now", type_=DateTime(timezone=True)),
                literal(""),
                false(),
            ),
        ),
        _ROWS,
        changes=True,
    )


def start(session: Session, promised: Promised, rows: Sequence[Any], taker: Taker, now: datetime) -> list[Started]:
    """Write an attempt for each promise, in the order of `rows`, which the caller has locked and read."""
    if not rows:
        return []
    history = _put_off(session, promised, [row.id for row in rows if row.attempts])
    started = []
    for row, relay in zip(rows, taker.ways(len(rows)), strict=True):
        tries, first_try = history.get(row.id, (1, now))
        started.append(Started(promised, row.id, new_attempt_id(), relay, tries, first_try, row.created_at))
    given = [[one.id, one.attempt_id, one.relay] for one in started]
    _start_promises(promised).run(session, given, worker=taker.worker_id, now=now)
    _start_attempts(promised).run(session, given, worker=taker.worker_id, now=now)
    return started


def _put_off(session: Session, promised: Promised, ids: Sequence[int]) -> dict[int, tuple[int, datetime]]:
    if not ids:
        return {}
    key = ATTEMPT.c[promised.attempt_key]
    table = promised.table
    since_retry = or_(table.c.retried_at.is_(None), ATTEMPT.c.started_at >= table.c.retried_at)
    rows = session.execute(
        select(key, func.count(), func.min(ATTEMPT.c.started_at))
        .join(table, table.c.id == key)
        .where(key.in_(ids), ATTEMPT.c.outcome == Outcome.DEFERRED.value, since_retry)
        .group_by(key)
    )
    return {of_id: (count + 1, first) for of_id, count, first in rows}


def started_by(session: Session, worker_id: str) -> dict[Promised, list[tuple[int, str]]]:
    """Return (id, attempt id) of what is started in this worker's name.

    It tells whether a take with unknown result was committed; the worker sends nothing before it has asked.
    """
    found = {}
    for promised in Promised:
        table = promised.table
        rows = session.execute(select(table.c.id, table.c.attempt_id).where(IS_STARTED, table.c.worker_id == worker_id))
        found[promised] = [(row.id, row.attempt_id) for row in rows]
    return found
