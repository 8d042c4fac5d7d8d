"""The worker: take, compose, send, settle, until nothing is due or it is told to stop. DESIGN, section 4."""

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import FrameType, TracebackType
from typing import Protocol, Self, TypeVar, runtime_checkable

from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.compose import HeaderUnsafeError
from digest.delivery.conclude import conclude
from digest.delivery.duty import Duty, Place
from digest.delivery.ledger import PAUSES, Patience, WorkerLedger
from digest.delivery.letters import Letter
from digest.delivery.outcome import Outcome
from digest.delivery.transport import RelayRefusedError, Reply, Transport
from digest.outbox import control, store
from digest.outbox.notices import TakenNotice, take_notices
from digest.outbox.settle import Settlement, not_sent
from digest.outbox.states import State
from digest.outbox.take import Started, Taken, Taker, Window, new_attempt_id, take
from digest.runtime.clock import Clock
from digest.runtime.errors import DigestError, RelayUnreachableError
from subscribers.audience import exclusion_reason

S = TypeVar("S", bound=Started)

MAX_WINDOW = 50
FIRST_WINDOW = 10
WINDOW_SECONDS = 2.0
"""An unsubscribe that is answered while a window is on its way may cross with it: this long, not longer."""
STALE_SECONDS = 120.0


@runtime_checkable
class WithEvidence(Protocol):
    """A transport that can tell afterwards what became of a message, and under which name it stands in attempts."""

    name: str

    def evidence(self, delivery_id: str) -> bool | None:
        """Return whether it was delivered; None when that cannot be known."""
        ...


class Writer(Protocol):
    """What makes messages of what was taken; `digest.delivery.letters.Letters` does."""

    def prepare(self, session: Session, edition_ids: Sequence[int]) -> None:
        """Read what the next letters need."""
        ...

    def delivery(self, taken: Taken, now: datetime) -> Letter:
        """Return the letter of a delivery; ContentError if there can be none."""
        ...

    def notice(self, taken: TakenNotice, now: datetime) -> Letter:
        """Return the letter of a notice; ContentError if there can be none."""
        ...


@dataclass(slots=True)
class Run:
    """What one call has done: outcomes by name, how many were skipped, and when the next delivery is due, if any."""

    outcomes: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    next_due: datetime | None = None
    stopped: bool = False


def window_limit(sent: int, seconds: float) -> int:
    """Return how many to take next, 1 to 50: two seconds' worth at the pace of the last window."""
    if not sent:
        return FIRST_WINDOW
    return max(1, min(MAX_WINDOW, int(WINDOW_SECONDS * sent / max(seconds, 1e-6))))


class Worker:
    """One process that delivers. A context manager: it signs on, and off when its work is stored."""

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        writer: Writer,
        clock: Clock,
        place: Place,
        *,
        progress: Callable[[int], None] = lambda _settled: None,
        jitter: Callable[[], float] = random.random,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """`progress` is told how many more promises have an outcome; `pauses` (seconds) are those between tries."""
        self.id = new_attempt_id()
        self._transport = transport
        self._writer = writer
        self._clock = clock
        self._progress = progress
        self._jitter = jitter
        self._stopping = False
        self._relay_patience = Patience(clock, lambda: self._stopping, pauses)
        self._ledger = WorkerLedger(engine, self.id, clock, Patience(clock, lambda: self._stopping, pauses))
        self._duty = Duty(self.id, self._ledger, place, clock)
        self._evidence = transport.evidence if isinstance(transport, WithEvidence) else None
        self._relay = transport.name if isinstance(transport, WithEvidence) else ""
        self._taker = Taker(self.id, self._relay)

    def __enter__(self) -> Self:
        self._duty.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._transport.close()
        finally:
            self._duty.end()

    def stop(self) -> None:
        """Finish the message on the wire, store what is known, and return."""
        self._stopping = True

    def deliver(self, issue_id: int) -> Run:
        """Deliver an issue until nothing of it is due, and mark it as sent when nothing is left to do.

        Raises RelayRefusedError, RelayUnreachableError or DatabaseUnreachableError when going on makes no sense now;
        what was not sent is due again.
        """

        def take_some(limit: int, now: datetime, session: Session) -> Window[Taken]:
            window = take(session, self._taker, issue_id, exclusion_reason(now), limit=limit, now=now)
            self._writer.prepare(session, [one.edition_id for one in window.started])
            return window

        run = self._run(take_some, self._writer.delivery, issue_id)
        if not run.stopped:
            self._ledger.transact(partial(control.finish, issue_id=issue_id, now=self._clock.now()))
        run.next_due = self._ledger.transact(partial(store.next_due, issue_id=issue_id))
        return run

    def deliver_notices(self) -> Run:
        """Deliver notices until none is due; raises as `deliver` does."""

        def take_some(limit: int, now: datetime, session: Session) -> Window[TakenNotice]:
            return take_notices(session, self._taker, limit=limit, now=now)

        run = self._run(take_some, self._writer.notice, None)
        run.next_due = self._ledger.transact(store.next_notice_due)
        return run

    def _run(
        self,
        take_some: Callable[[int, datetime, Session], Window[S]],
        write: Callable[[S, datetime], Letter],
        issue_id: int | None,
    ) -> Run:
        run, limit = Run(), FIRST_WINDOW
        while not self._stopping:
            self._duty.recover(self._relay, self._evidence)
            taken_at = self._clock.monotonic()
            window = self._ledger.take(partial(take_some, limit, self._clock.now()))
            if window.exhausted:
                break
            run.skipped += window.skipped
            self._progress(window.skipped)
            sent = self._send_window(window, write, taken_at, issue_id, run)
            limit = window_limit(sent, self._clock.monotonic() - taken_at)
        self._ledger.store()
        run.stopped = self._stopping
        return run

    def _send_window(
        self,
        window: Window[S],
        write: Callable[[S, datetime], Letter],
        taken_at: float,
        issue_id: int | None,
        run: Run,
    ) -> int:
        """Send what was taken; return how many went."""
        waiting, sent = list(reversed(window.started)), 0
        why, failure = "the worker ended", None
        try:
            while waiting and not failure:
                if objection := self._objection(taken_at, issue_id):
                    why = objection
                    break
                letter = self._write(waiting[-1], write)
                one = waiting.pop()
                if letter is None:
                    self._count(run, State.REJECTED)
                    continue
                failure = self._send(one, letter, run)
                sent += failure is None
        finally:
            now = self._clock.now()
            for one in waiting:
                self._ledger.keep(
                    not_sent(one.promised, one.id, one.attempt_id, why if not failure else failure.message, now)
                )
        if failure:
            self._bear(failure)
        return sent

    def _objection(self, taken_at: float, issue_id: int | None) -> str:
        """Return why the next message must not go any more."""
        if self._stopping:
            return "the worker was told to stop"
        if not self._duty.may_go_on(issue_id):
            return "the issue was held or withdrawn"
        # Asked last: the question before may have waited for the database.
        if self._clock.monotonic() - taken_at > STALE_SECONDS:
            return "it was taken too long ago"
        return ""

    def _write(self, one: S, write: Callable[[S, datetime], Letter]) -> Letter | None:
        try:
            return write(one, self._clock.now())
        except HeaderUnsafeError as error:  # about this reader alone; anything else would hit every reader
            fields = (one.promised, one.id, one.attempt_id, State.REJECTED, Outcome.REJECTED.value, self._clock.now())
            self._ledger.keep(Settlement(*fields, reason=f"no mail can be made: {error.message}"))
            return None

    def _send(self, one: Started, letter: Letter, run: Run) -> DigestError | None:
        """Send one message and keep its outcome; return the error that concerns every message alike."""
        try:
            reply = self._transport.send(letter.envelope, letter.message)
        except (RelayRefusedError, RelayUnreachableError) as error:
            now = self._clock.now()
            self._ledger.keep(not_sent(one.promised, one.id, one.attempt_id, error.message, now))
            return error
        except BaseException as error:
            why = f"the transport failed: {type(error).__name__}"
            self._ledger.keep(self._concluded(one, Reply(Outcome.UNCERTAIN, None, None, why, self._relay)))
            raise
        settlement = self._concluded(one, reply)
        self._ledger.keep(settlement)
        if reply.outcome is Outcome.NOT_SENT:
            return RelayUnreachableError(reply.text)
        self._count(run, settlement.state)
        return None

    def _concluded(self, one: Started, reply: Reply) -> Settlement:
        return conclude(one, reply, self._clock.now(), self._jitter())

    def _count(self, run: Run, state: State) -> None:
        self._relay_patience.succeeded()
        run.outcomes[state.value] = run.outcomes.get(state.value, 0) + 1
        self._progress(1)

    def _bear(self, failure: DigestError) -> None:
        """Wait for a relay that is away; raise what waiting does not mend."""
        self._ledger.store()
        if isinstance(failure, RelayRefusedError) or (not self._relay_patience.wait() and not self._stopping):
            raise failure


@contextmanager
def stopping_on_signals(worker: Worker) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the worker cleanly; a second one ends the process as usual."""
    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        worker.stop()
        restore()
        outer = before[number]
        # Whoever runs the worker wants to know, too; Python's own handler would only raise KeyboardInterrupt.
        if callable(outer) and outer is not signal.default_int_handler:
            outer(number, frame)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
