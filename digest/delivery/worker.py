"""The worker: take, compose, send, settle, until nothing is due or it is told to stop. DESIGN, section 4."""

import logging
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Self

from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.compose import HeaderUnsafeError
from digest.delivery.conclude import conclude
from digest.delivery.duty import Duty, Place
from digest.delivery.ledger import PAUSES, Patience, WorkerLedger
from digest.delivery.meter import Meter, Way
from digest.delivery.outcome import Outcome
from digest.delivery.outgoing import Errand, Outgoing
from digest.delivery.rota import STEP_SECONDS, Rota
from digest.delivery.streams import IssueStream, NoticeStream, Stream, Writer
from digest.delivery.tally import Tally
from digest.delivery.transport import Carrier, Parcel, RelayRefusedError, Reply, Step
from digest.delivery.window import Speed, window_limit
from digest.outbox import control
from digest.outbox.recover import Evidence
from digest.outbox.settle import Settlement, not_sent
from digest.outbox.states import State
from digest.outbox.take import Started, Taker, Window, new_attempt_id
from digest.runtime.clock import Clock
from digest.runtime.errors import DigestError

logger = logging.getLogger(__name__)

STALE_SECONDS = 120.0
_WITHOUT_RELAY = timedelta(seconds=30)


@dataclass(slots=True)
class Run:
    """What one call has done: outcomes by name, how many were skipped, and when the next delivery is due, if any."""

    tally: Tally = field(default_factory=Tally)
    next_due: datetime | None = None
    stopped: bool = False

    @property
    def outcomes(self) -> dict[str, int]:
        """How many promises went into each state."""
        return dict(self.tally.states)

    @property
    def skipped(self) -> int:
        """How many were skipped, because their reader is no longer eligible."""
        return self.tally.skipped


class Worker:
    """One process that delivers. A context manager: it signs on, and off when its work is stored."""

    def __init__(
        self,
        engine: Engine,
        carrier: Carrier,
        writer: Writer,
        clock: Clock,
        place: Place,
        *,
        meter: Meter | None = None,
        evidence: Evidence | None = None,
        progress: Callable[[Tally], None] = lambda _tally: None,
        jitter: Callable[[], float] = random.random,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """`progress` is told how it stands after each change; `pauses` (seconds) are those between tries.

        `evidence` says of a delivery whether the carrier's only transport delivered it, if that can be known.
        """
        self.id = new_attempt_id()
        self._carrier = carrier
        self._writer = writer
        self._clock = clock
        self._progress = progress
        self._jitter = jitter
        self._stopping = False
        self._relay_patience = Patience(clock, lambda: self._stopping, pauses)
        self._ledger = WorkerLedger(engine, self.id, clock, Patience(clock, lambda: self._stopping, pauses))
        self._duty = Duty(self.id, self._ledger, place, clock)
        self._evidence = evidence
        self._meter = meter or Meter([Way(name) for name in carrier.relays])
        self._taker = Taker(self.id, carrier.relays[0], assign=self._assign)
        self._outgoing = Outgoing(self._admit)
        self._failure: DigestError | None = None
        self._speed = Speed(clock)
        self._run = Run()
        self._rota = Rota((), clock)

    def __enter__(self) -> Self:
        self._duty.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._carrier.close()
        finally:
            self._duty.end()

    def stop(self) -> None:
        """Finish the messages on the wire, store what is known, and return."""
        self._stopping = True

    def deliver(self, *issue_ids: int) -> Run:
        """Deliver issues, side by side, until nothing of them is due; mark as sent what has nothing left to do.

        Raises RelayRefusedError, RelayUnreachableError or DatabaseUnreachableError when going on makes no sense now;
        what was not sent is due again.
        """
        return self._work([self._issue(issue_id) for issue_id in issue_ids])

    def deliver_notices(self) -> Run:
        """Deliver notices until none is due; raises as `deliver` does."""
        return self._work([NoticeStream(self._taker, self._writer)])

    def deliver_all(self, issue_ids: Sequence[int]) -> Run:
        """Deliver issues and notices, side by side."""
        return self._work([NoticeStream(self._taker, self._writer), *map(self._issue, issue_ids)])

    def _issue(self, issue_id: int) -> IssueStream:
        return IssueStream(issue_id, self._taker, self._writer, self._meter)

    # The loop

    def _work(self, streams: Sequence[Stream[Any]]) -> Run:
        run = self._run = Run()
        self._failure = None
        try:
            self._rota = Rota(streams, self._clock)
            self._loop()
        except BaseException as error:
            self._end_badly(error)
            raise
        self._ledger.transact(self._meter.save)
        self._meter.saved()
        if self._failure is not None:
            raise self._failure
        run.stopped = self._stopping
        for stream in streams:
            if stream.issue_id is not None and not run.stopped:
                self._ledger.transact(partial(control.finish, issue_id=stream.issue_id, now=self._clock.now()))
        upcoming = [(self._ledger.transact(stream.next_due), stream.again_at) for stream in streams]
        run.next_due = min((max(due, again or due) for due, again in upcoming if due is not None), default=None)
        return run

    def _loop(self) -> None:
        while True:
            self._duty.recover(self._taker.relay, self._evidence)
            if self._duty.look(self._meter.refresh):
                self._meter.saved()
                self._allow()
            ending = self._stopping or self._failure is not None
            if ending:
                why = self._failure.message if self._failure else "the worker was told to stop"
                self._give_back(self._outgoing.take_back(), why)
            elif len(self._outgoing) <= self._limit() // 2:
                self._refill()
            if not self._outgoing and (ending or self._rota.is_done):
                return
            self._note(self._carrier.step(self._outgoing, self._seconds()))

    def _limit(self) -> int:
        return window_limit(self._speed.per_second, self._carrier.capacity)

    def _seconds(self) -> float:
        """Return how long to wait for the carrier: not past the moment when there is something to take."""
        if len(self._outgoing) > self._limit() // 2:
            return STEP_SECONDS
        return min(STEP_SECONDS, self._rota.seconds_to_next)

    def _refill(self) -> None:
        """Take until the window is full, each stream in its turn."""
        for stream in self._rota.ready():
            room = self._limit() - len(self._outgoing)
            if room <= 0:
                return
            taken_at = self._clock.monotonic()
            now = self._clock.now()
            window = self._ledger.take(partial(self._take, stream, room, now), self._outgoing.attempt_ids)
            self._outgoing.add(Errand(stream, one, taken_at) for one in window.started)
            self._rota.asked(stream, window)
            if window.skipped:
                self._run.tally.skipped += window.skipped
                self._progress(self._run.tally)

    def _take(self, stream: Stream[Any], limit: int, now: datetime, session: Session) -> Window[Started]:
        self._meter.begin(session)
        room, again_at = self._meter.room(now)
        if room <= 0:
            stream.again_at = again_at or now + _WITHOUT_RELAY
            return Window(())
        window = stream.take(session, min(limit, room), now, self._outgoing.families)
        self._meter.spend(session, [(one.relay, getattr(one, "family", "")) for one in window.started], now)
        return window

    def _assign(self, count: int) -> list[str]:
        return self._meter.assign(count, self._clock.now())

    def _allow(self) -> None:
        now = self._clock.now()
        for relay in self._carrier.relays:
            connections = self._meter.connections(relay, now)
            self._carrier.allow(relay, connections)
            if not connections:  # what waits for it would stay started, and be doubtful if we were killed
                self._give_back(self._outgoing.take_back(relay), "the relay is to be left alone for a while")

    # One message

    def _admit(self, errand: Errand[Started]) -> Parcel | None:
        """Make a parcel of an errand, asked immediately before its envelope; or settle it, and return None."""
        objection, due_at = self._objection(errand)
        if objection:
            self._give_back([errand], objection, due_at)
            return None
        started = errand.started
        try:
            letter = errand.stream.write(started, self._clock.now())
        except HeaderUnsafeError as error:  # about this reader alone; anything else would hit every reader
            fields = (started.promised, started.id, started.attempt_id, State.REJECTED, Outcome.REJECTED.value)
            self._ledger.keep(Settlement(*fields, self._clock.now(), reason=f"no mail can be made: {error.message}"))
            self._count(errand, State.REJECTED, started.relay)
            return None
        return Parcel(started.attempt_id, started.relay, letter.envelope, letter.message)

    def _objection(self, errand: Errand[Started]) -> tuple[str, datetime | None]:
        """Return why a message must not go any more, empty if it may; and when it is due instead, if not at once."""
        if self._stopping or self._failure is not None:
            return "the worker was told to stop", None
        if not self._duty.is_going(errand.stream.issue_id):
            return "the issue was held or withdrawn", None
        if self._clock.monotonic() - errand.taken_at > STALE_SECONDS:
            return "it was taken too long ago", None
        until = self._meter.held_until(errand.address, self._clock.now())
        return ("their mail server asked to be left alone", until) if until else ("", None)

    def _give_back(self, errands: Sequence[Errand[Started]], why: str, due_at: datetime | None = None) -> None:
        now = self._clock.now()
        for errand in errands:
            one = errand.started
            self._ledger.keep(not_sent(one.promised, one.id, one.attempt_id, why, now, due_at=due_at))
            self._rota.ask_again(errand.stream)

    def _note(self, step: Step) -> None:
        """Keep what has ended, and see to relays that failed."""
        for parcel, reply in step.ended:
            errand = self._outgoing.ended(parcel.key)
            settlement = self._concluded(errand, reply)
            self._ledger.keep(settlement)
            if reply.outcome is Outcome.NOT_SENT:
                self._rota.ask_again(errand.stream)
            else:
                self._learn(errand, parcel, reply, settlement.state)
        if step.ended:
            self._speed.answered(len(step.ended))
            self._progress(self._run.tally)
        # connections that were opened together fail together: that is one failure, and one wait
        for relay, failure in {(relay, type(failure)): (relay, failure) for relay, failure in step.failures}.values():
            self._bear(relay, failure)

    def _learn(self, errand: Errand[Started], parcel: Parcel, reply: Reply, state: State) -> None:
        self._relay_patience.succeeded()
        now = self._clock.now()
        self._meter.note(reply, parcel.relay, parcel.envelope.recipient, now)
        if reply.outcome is Outcome.DEFERRED and not self._meter.connections(parcel.relay, now):
            self._allow()  # a relay that asks to be left alone is, at once: not only from the next look on
        self._count(errand, state, parcel.relay)

    def _concluded(self, errand: Errand[Started], reply: Reply) -> Settlement:
        return conclude(errand.started, reply, self._clock.now(), self._jitter())

    def _count(self, errand: Errand[Started], state: State, relay: str) -> None:
        self._run.tally.count(state, relay, errand.family)

    # When things fail

    def _bear(self, relay: str, failure: DigestError) -> None:
        """Go on without a relay, or wait for it; a refusal ends the run, since it would meet every message alike."""
        now = self._clock.now()
        if isinstance(failure, RelayRefusedError):
            self._failure = self._failure or failure
            return
        if self._outgoing.under_way(relay):
            return  # it works, but takes no further connection
        logger.warning("%s", failure.message)
        self._give_back(self._outgoing.take_back(relay), failure.message)
        if self._meter.has_other(relay, now):
            self._meter.down(relay, now + _WITHOUT_RELAY)
            return
        self._ledger.store()
        if not self._relay_patience.wait() and not self._stopping:
            self._failure = failure

    def _end_badly(self, error: BaseException) -> None:
        """Settle what an exception left behind: what was under way may have arrived, what waited has not gone."""
        why = f"the worker ended before the answer came: {type(error).__name__}"
        self._give_back(self._outgoing.take_back(), why)
        for errand in self._outgoing.abandon():
            self._ledger.keep(self._concluded(errand, Reply(Outcome.UNCERTAIN, None, None, why, errand.started.relay)))


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
