"""A worker's transactions; outcomes are buffered until stored, also while the database is away."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from digest.outbox import breaker
from digest.outbox.breaker import BreakerLimits
from digest.outbox.settle import Settlement, not_sent, settle, write_file
from digest.outbox.states import FAILED
from digest.outbox.take import started_by
from digest.runtime.atomic_file import private_folder
from digest.runtime.clock import Clock
from digest.runtime.db import AWAY, explain, session_scope
from digest.runtime.errors import DatabaseUnreachableError

T = TypeVar("T")

OnFailed = Callable[[Session, Sequence[Settlement]], None]
"""Gets the rejected and expired ones of a batch, in the transaction that settles them."""

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each further try of a database or relay that is away; after the last one it is given up."""


class Patience:
    """Back-off that a stop request interrupts; it gives up after the last pause."""

    def __init__(self, clock: Clock, is_stopping: Callable[[], bool], pauses: tuple[float, ...] = PAUSES) -> None:
        self._clock = clock
        self._is_stopping = is_stopping
        self._pauses = pauses
        self._failures = 0

    def succeeded(self) -> None:
        """Reset to the shortest pause."""
        self._failures = 0

    def wait(self) -> bool:
        """Wait after a failure; return False when there is no point in trying again."""
        if self._failures >= len(self._pauses):
            return False
        end = self._clock.monotonic() + self._pauses[self._failures]
        self._failures += 1
        while not self._is_stopping() and (left := end - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, 0.5))
        return not self._is_stopping()


@dataclass(frozen=True, slots=True)
class _Uncommitted(Generic[T]):
    """A transaction that only has to be committed, the outcomes that it stores, and its result."""

    session: Session
    batch: Sequence[Settlement]
    result: T


class WorkerLedger:
    """Runs a worker's transactions, one at a time; each also stores the outcomes kept so far.

    Outcomes may be kept in another thread than the one that runs the transaction.
    """

    def __init__(
        self,
        engine: Engine,
        worker_id: str,
        clock: Clock,
        patience: Patience,
        *,
        limits: BreakerLimits = BreakerLimits(),
        on_failed: OnFailed = lambda _session, _failed: None,
    ) -> None:
        self._limits = limits
        self._on_failed = on_failed
        self._engine = engine
        self.url = engine.url
        self._worker_id = worker_id
        self._clock = clock
        self._patience = patience
        self._kept: deque[Settlement] = deque()
        self._in_doubt = False
        self.stored: Callable[[Collection[str]], None] = lambda _attempt_ids: None
        """Gets the ids of attempts whose outcomes are in the database now."""

    def keep(self, settlement: Settlement) -> None:
        self._kept.append(settlement)

    def transact(self, work: Callable[[Session], T]) -> T:
        """Store what is kept and do `work`, in one transaction, again while the database is away.

        Raises DatabaseUnreachableError when patience ends; what is kept stays kept.
        """
        return self.begin(work)()

    def begin(self, work: Callable[[Session], T]) -> Callable[[], T]:
        """Do as `transact` up to the commit; return the rest, which may run in another thread."""
        return partial(self._commit, self._uncommitted(work), work)

    def _uncommitted(self, work: Callable[[Session], T]) -> "_Uncommitted[T] | DatabaseUnreachableError":
        # Kept until they are stored. Others may keep more meanwhile, behind these.
        batch = [self._kept[place] for place in range(len(self._kept))]
        session = Session(self._engine, expire_on_commit=False)
        try:
            self._settle(session, batch)
            return _Uncommitted(session, batch, work(session))
        except BaseException as error:
            session.rollback()
            session.close()
            if isinstance(error, AWAY):
                return explain(error)  # not the error itself, whose frames hold the connection
            raise

    def _commit(self, one: "_Uncommitted[T] | DatabaseUnreachableError", work: Callable[[Session], T]) -> T:
        while True:
            if isinstance(one, _Uncommitted):
                try:
                    with one.session:
                        one.session.commit()
                except AWAY as error:
                    one = explain(error)
                else:
                    break
            self._in_doubt = True  # the commit may have come through without us hearing of it
            if not self._patience.wait():
                raise one
            one = self._uncommitted(work)
        for _ in one.batch:
            self._kept.popleft()
        self.stored([settlement.attempt_id for settlement in one.batch])
        self._patience.succeeded()
        return one.result

    def _settle(self, session: Session, batch: Sequence[Settlement]) -> None:
        breaker.settle(session, batch, self._limits)
        if failed := [one for one in batch if one.state in FAILED]:
            self._on_failed(session, failed)

    def store(self) -> None:
        self.transact(lambda _session: None)

    def once(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a transaction of its own, without retries."""
        with session_scope(self._engine) as session:
            return work(session)

    def begin_take(self, work: Callable[[Session], T], known: Collection[str] = ()) -> Callable[[], T]:
        """As `begin`, for a take; `known` are the attempts in flight.

        After a transaction with unknown result, attempts in our name that are not known are put back first: they were
        never sent, because nothing is sent before its commit is known.
        """

        def put_back_and_take(session: Session) -> T:
            self._put_back_strays(session, known)
            return work(session)

        rest = self.begin(put_back_and_take)

        def commit() -> T:
            taken = rest()
            self._in_doubt = False
            return taken

        return commit

    def _put_back_strays(self, session: Session, known: Collection[str]) -> None:
        if not self._in_doubt:
            return
        now, why = self._clock.now(), "the database failed while it was being started"
        strays = [
            not_sent(promised, of_id, attempt_id, why, now)
            for promised, rows in started_by(session, self._worker_id).items()
            for of_id, attempt_id in rows
            if attempt_id not in known
        ]
        settle(session, strays)

    def close(self, folder: Path, known: Collection[str] = ()) -> Path | None:
        """Store what is kept, once more; on a database error write it to a file and return its path.

        `known` are the attempts without an outcome, which an interrupt can leave.
        """

        def store_all(session: Session) -> None:
            self._settle(session, list(self._kept))
            self._put_back_strays(session, known)

        try:
            with suppress(SQLAlchemyError):  # whatever the error: what the database did not take must not be lost
                self.once(store_all)
                self._kept.clear()
        finally:
            path = self._write_kept(folder)
        return path

    def _write_kept(self, folder: Path) -> Path | None:
        if not self._kept:
            return None
        private_folder(folder)
        path = folder / f"{self._worker_id}.json"
        write_file(path, self._kept)
        return path
