"""A worker's registration, journal and heartbeat, and recovery of what dead workers left."""

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from digest.delivery.worker.ledger import WorkerLedger
from digest.delivery.worker.place import WorkerPlace
from digest.outbox import store, workers
from digest.outbox.journal import SUFFIX, Journal, database_name, retire_journal
from digest.outbox.recover import Evidence, Recovered, recover, resolve_by_evidence
from digest.outbox.take import Started
from digest.outbox.workers import HEARTBEAT_EVERY, WorkerLock
from digest.runtime.clock import Clock

logger = logging.getLogger(__name__)

RECOVER_SECONDS = 30.0
_RECOVERED = (
    "of the mails that a crashed worker had started, %d are uncertain and %d were not sent; %d resolved by evidence"
)
LOOK_SECONDS = 1.0
LOOK_HOLDS_SECONDS = 2.0
"""An older look permits nothing: while the database is away, nothing is started."""


class WorkerPresence:
    """A worker's registration in the database and on this machine."""

    def __init__(self, worker_id: str, ledger: WorkerLedger, place: WorkerPlace, clock: Clock) -> None:
        self.worker_id = worker_id
        self._database = database_name(ledger.url, place.locks)
        self._ledger = ledger
        self._place = place
        self._clock = clock
        self._lock = WorkerLock(place.locks, worker_id)
        self._journal: Journal | None = None
        self._liveness = place.liveness
        self._beaten = self._recovered = self._looked = float("-inf")
        self._going: frozenset[int] = frozenset()
        self.has_journal = True
        """Whether there is a journal, or will be with the first take."""
        self.has_started = False
        """Whether an attempt names this worker: then its row must stay."""

    def begin(self) -> None:
        """Sign on; the lock comes first, so that a live worker never seems dead."""
        self._lock.acquire()
        try:
            now = self._clock.now()
            self._ledger.transact(partial(workers.register, worker_id=self.worker_id, host=self._place.host, now=now))
        except BaseException:
            self._lock.release(clean=True)
            raise
        self._beaten = self._clock.monotonic()

    def end(self, known: Collection[str] = ()) -> None:
        """Store what is kept, or write it to a file, and sign off; `known` are the attempts without an outcome."""
        signed_off = False
        try:
            left = self._ledger.close(self._place.leftovers, known)
            signed_off = left is None and self._sign_off()
        finally:
            self._leave(clean=signed_off)
        if left is not None:
            logger.error("the database is not available; outcomes are saved in %s: run `digest outbox reconcile`", left)

    def _leave(self, *, clean: bool) -> None:
        if self._journal:
            self._journal.close()
            if clean:
                retire_journal(self._journal.path)
        self._lock.release(clean=clean)

    def taking(self, started: Sequence[Started]) -> None:
        """Note what a take has started, before it is committed."""
        if not started:
            return
        if self._journal is None and self.has_journal:
            self._open_journal()
        if self._journal is not None:
            self._journal.taking(started[-1].attempt_id)

    def _open_journal(self) -> None:
        path = self._place.locks / f"{self.worker_id}{SUFFIX}"
        try:
            self._journal = Journal(path, self.worker_id, self._place.host, self._database)
        except OSError as error:  # without one nothing is proven, and nothing is lost: a full disk stops no delivery
            self.has_journal = False
            logger.warning(
                "%s cannot be written: %s; if this worker crashes, more mails become uncertain", path, error.strerror
            )
        else:
            self._ledger.stored = self._journal.settled

    def hand_over(self, started: Started) -> None:
        """Note that this may have been sent from now on."""
        if self._journal is not None:
            self._journal.hand_over(started)

    def _sign_off(self) -> bool:
        try:
            if self.has_started:
                self._ledger.once(partial(workers.sign_off, worker_id=self.worker_id, now=self._clock.now()))
            else:
                self._ledger.once(partial(workers.forget, worker_id=self.worker_id))
        except SQLAlchemyError:
            return False
        return True

    @property
    def must_recover(self) -> bool:
        """Whether dead workers' deliveries are to be recovered: at the start, then every 30 seconds."""
        return self._clock.monotonic() - self._recovered >= RECOVER_SECONDS

    def begin_recovery(self, relay: str, evidence: Evidence | None) -> Callable[[], None]:
        """Recover what dead workers left, up to the commit; return the rest."""

        def work(session: Session) -> tuple[Recovered, int]:
            now = self._clock.now()
            found = recover(session, self._liveness, now)
            return found, resolve_by_evidence(session, relay, evidence, now, self._place.host) if evidence else 0

        read = self._liveness.dead_journals(self._database)
        commit = self._ledger.begin(work)

        def rest() -> None:
            found, resolved = commit()
            for path in read:
                retire_journal(path)
            self._recovered = self._clock.monotonic()
            if any(found):
                logger.warning(_RECOVERED, *found, resolved)

        return rest

    @property
    def must_look(self) -> bool:
        """Whether the look once a second is due."""
        return self.seconds_since_look >= LOOK_SECONDS

    @property
    def has_looked(self) -> bool:
        """Whether the last look is recent enough to start something by it."""
        return self.seconds_since_look < LOOK_HOLDS_SECONDS

    @property
    def seconds_since_look(self) -> float:
        return self._clock.monotonic() - self._looked

    def begin_look(self, besides: Callable[[Session], None]) -> Callable[[], None]:
        """Read which issues are being sent, beat if that is due, do `besides`, and return the rest: the commit."""
        moment = self._clock.monotonic()
        beat = moment - self._beaten >= HEARTBEAT_EVERY.total_seconds()

        def work(session: Session) -> frozenset[int]:
            if beat:
                workers.beat(session, self.worker_id)
            besides(session)
            return frozenset(store.sending(session))

        commit = self._ledger.begin(work)

        def rest() -> None:
            self._going = commit()
            if beat:
                self._beaten = moment
            self._looked = moment

        return rest

    def look_first(self) -> None:
        """Start nothing before the next look: an answer may have held the issue."""
        self._looked = float("-inf")

    def is_going(self, issue_id: int | None) -> bool:
        """Return whether an issue was being sent at the last look; notices always are."""
        return issue_id is None or issue_id in self._going
