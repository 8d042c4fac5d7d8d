"""Main loop of a delivery worker: take, compose, send, settle. DESIGN, section 4."""

import gc
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.mail.headers import HeaderUnsafeError
from digest.delivery.meter import Meter, Way
from digest.delivery.pace import is_about_relay
from digest.delivery.settlement import conclude
from digest.delivery.transport import Carrier, Parcel, RelayRefusedError, Reply, Step
from digest.delivery.worker.background import Background
from digest.delivery.worker.in_flight import InFlight, InFlightSource
from digest.delivery.worker.ledger import PAUSES, OnFailed, Patience, WorkerLedger
from digest.delivery.worker.place import WorkerPlace
from digest.delivery.worker.presence import WorkerPresence
from digest.delivery.worker.progress import DeliveryProgress, WorkerRun
from digest.delivery.worker.rotation import STEP_SECONDS, WHILE_BUSY_SECONDS, RoundRobin
from digest.delivery.worker.sources import IssueStream, NoticeStream, WorkSource, Writer
from digest.delivery.worker.window import RecentRate, window_limit
from digest.outbox import operations
from digest.outbox.breaker import BreakerLimits
from digest.outbox.dialects import POSTGRESQL
from digest.outbox.recover import Evidence
from digest.outbox.settle import Settlement, not_sent
from digest.outbox.states import Outcome, State
from digest.outbox.take import Started, Taker, Window, new_attempt_id
from digest.runtime.clock import Clock
from digest.runtime.errors import DatabaseUnreachableError, DigestError, RelayUnreachableError

T = TypeVar("T")
logger = logging.getLogger(__name__)

STALE_SECONDS = 120.0
ASLEEP_SECONDS = 1.0
"""A machine that was suspended for longer asks for consent again; two clocks are read, and may differ a little."""
OBJECTS_BEFORE_COLLECTING = 20_000
HANGING_SECONDS = 10.0
"""A relay that carries nothing for so long, for whatever reason, loses its share to the others."""
_WITHOUT_RELAY = timedelta(seconds=30)


class Worker:
    """A delivery worker. As a context manager it signs on, and off when its work is stored."""

    def __init__(
        self,
        engine: Engine,
        carrier: Carrier,
        writer: Writer,
        clock: Clock,
        place: WorkerPlace,
        *,
        meter: Meter | None = None,
        evidence: Evidence | None = None,
        progress: Callable[[DeliveryProgress], None] = lambda _progress: None,
        jitter: Callable[[], float] = random.random,
        pauses: tuple[float, ...] = PAUSES,
        limits: BreakerLimits = BreakerLimits(),
        on_failed: OnFailed = lambda _session, _failed: None,
    ) -> None:
        """`progress` is called after each change; `pauses` (seconds) are those between tries.

        `evidence` tells of a delivery whether the carrier's only transport delivered it, if that can be known.
        """
        self.id = new_attempt_id()
        self._carrier = carrier
        self._writer = writer
        self._clock = clock
        self._progress = progress
        self._jitter = jitter
        self._stopping = False
        self._relay_patience = Patience(clock, lambda: self._stopping, pauses)
        patience = Patience(clock, lambda: self._stopping, pauses)
        self._ledger = WorkerLedger(engine, self.id, clock, patience, limits=limits, on_failed=on_failed)
        self._presence = WorkerPresence(self.id, self._ledger, place, clock)
        self._evidence = evidence
        self._meter = meter or Meter([Way(name) for name in carrier.relays])
        self._taker = Taker(self.id, carrier.relays[0], assign=lambda count: self._meter.assign(count, clock.now()))
        self._in_flight = InFlightSource(self._admit, self._may_start, self._may_go, self._hand_over)
        self._background = Background()
        self._is_beside = engine.dialect.name == POSTGRESQL
        self._failure: DigestError | None = None
        self._troubles: dict[str, str] = {}
        self._looked_at = self._able_since = float("-inf")
        self._speed = RecentRate(clock)
        self._thresholds = gc.get_threshold()
        self._run = WorkerRun()
        self._round_robin = RoundRobin((), clock)

    def __enter__(self) -> Self:
        self._presence.begin()
        # what was loaded by now stays, and a message makes no cycles: the collector need not run so often
        gc.freeze()
        self._thresholds = gc.get_threshold()
        gc.set_threshold(OBJECTS_BEFORE_COLLECTING, *self._thresholds[1:])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()
        try:
            self._carrier.close()
        finally:
            self._presence.end(self._in_flight.attempt_ids)

    def stop(self) -> None:
        """Finish the messages on the wire, store the outcomes, and return."""
        self._stopping = self._run.progress.stopping = True

    def deliver(self, *issue_ids: int) -> WorkerRun:
        """Deliver issues side by side until nothing of them is due; mark finished ones as sent.

        Raises RelayRefusedError, RelayUnreachableError or DatabaseUnreachableError when going on makes no sense now;
        what was not sent is due again.
        """
        return self._work([self._issue(issue_id) for issue_id in issue_ids])

    def deliver_notices(self) -> WorkerRun:
        """Deliver notices until none is due; raises as `deliver` does."""
        return self._work([NoticeStream(self._taker, self._writer)])

    def deliver_all(self, issue_ids: Sequence[int]) -> WorkerRun:
        return self._work([NoticeStream(self._taker, self._writer), *map(self._issue, issue_ids)])

    def _issue(self, issue_id: int) -> IssueStream:
        return IssueStream(issue_id, self._taker, self._writer, self._meter)

    # The loop

    def _work(self, streams: Sequence[WorkSource[Any]]) -> WorkerRun:
        run = self._run = WorkerRun(DeliveryProgress(stopping=self._stopping))
        self._failure = None
        try:
            self._round_robin = RoundRobin(streams, self._clock)
            self._loop()
        except BaseException as error:
            self._end_badly(error)
            raise
        finally:
            self._background.close()
        self._ledger.transact(self._meter.save)
        self._meter.saved()
        if self._failure is not None:
            raise self._failure
        run.stopped = self._stopping
        for stream in streams:
            if stream.issue_id is not None and not run.stopped:
                self._ledger.transact(partial(operations.finish, issue_id=stream.issue_id, now=self._clock.now()))
        upcoming = [(self._ledger.transact(stream.next_due), stream.again_at) for stream in streams]
        run.next_due = min((max(due, again or due) for due, again in upcoming if due is not None), default=None)
        return run

    def _loop(self) -> None:
        while True:
            self._collect()
            if not self._background.is_busy:
                self._begin_transaction()
                self._collect()
            if self._is_ending:
                why = self._failure.message if self._failure else "the worker was told to stop"
                self._give_back(self._in_flight.take_back(), why)
            # nothing is on the wire, and nothing may be begun before the database has been asked: only it is awaited
            if not self._in_flight.on_the_way() and not self._may_start() and self._collect(wait=True):
                continue
            if not self._in_flight:
                if self._collect(wait=True):
                    continue
                if self._is_ending or self._round_robin.is_done:
                    return
            self._note(self._carrier.step(self._in_flight, self._seconds()))

    @property
    def _is_ending(self) -> bool:
        return self._stopping or self._failure is not None

    def _collect(self, *, wait: bool = False) -> bool:
        try:
            return self._background.collect(wait=wait)
        except DatabaseUnreachableError as error:  # nothing more is started, but what is on the wire still gets answers
            self._failure = self._failure or error
            return True

    def _begin_transaction(self) -> None:
        """Begin the most urgent database transaction, if there is one."""
        if isinstance(self._failure, DatabaseUnreachableError):
            return
        if self._presence.must_recover:
            self._begin(partial(self._presence.begin_recovery, self._taker.relay, self._evidence))
        elif self._presence.must_look:
            self._begin(partial(self._presence.begin_look, self._meter.refresh), self._looked)
        elif not self._is_ending and self._wants_more and (ready := self._round_robin.ready()):
            self._refill(ready[0])

    def _begin(self, begin: Callable[[], Callable[[], T]], then: Callable[[T], None] = lambda _result: None) -> None:
        """Begin a transaction; a database server's statements are awaited in the background, too, as its commit is."""

        def both() -> T:
            return begin()()

        self._background.start(both if self._is_beside else begin(), then)

    def _looked(self, _nothing: None) -> None:
        moment = self._clock.monotonic()
        if moment - self._looked_at > HANGING_SECONDS / 2:
            self._able_since = moment  # while nothing could be started, no relay was at fault
        self._looked_at = moment
        self._meter.saved()
        self._allow()

    @property
    def _wants_more(self) -> bool:
        return len(self._in_flight) <= self._limit() // 2

    def _limit(self) -> int:
        return window_limit(self._speed.per_second, self._carrier.capacity, journal=self._presence.has_journal)

    def _seconds(self) -> float:
        """Return how long to wait for the carrier: not past the moment when there is something to take."""
        if self._background.is_busy:
            return WHILE_BUSY_SECONDS
        if self._is_ending or not self._wants_more:
            return STEP_SECONDS
        return min(STEP_SECONDS, self._round_robin.seconds_to_next)

    def _refill(self, stream: WorkSource[Any]) -> None:
        """Take from a source until the window is full."""
        take = partial(self._take, stream, self._limit() - len(self._in_flight), dict(self._in_flight.families))
        moment, known = (self._clock.monotonic(), self._clock.asleep()), self._in_flight.attempt_ids
        asked_at = self._round_robin.changes

        def taken(window: Window[Started]) -> None:
            self._presence.has_started = self._presence.has_started or bool(window.started)
            self._in_flight.add(InFlight(stream, one, *moment) for one in window.started)
            self._round_robin.asked(stream, window, asked_at)
            if window.skipped:
                self._run.progress.skipped += window.skipped
                self._progress(self._run.progress)

        self._begin(partial(self._ledger.begin_take, partial(take, self._clock.now()), known), taken)

    def _take(
        self, stream: WorkSource[Any], limit: int, under_way: Mapping[str, int], now: datetime, session: Session
    ) -> Window[Started]:
        self._meter.begin(session)
        room, again_at = self._meter.room(now)
        if room <= 0:
            stream.again_at = again_at or now + _WITHOUT_RELAY
            return Window(())
        window = stream.take(session, min(limit, room), now, under_way)
        self._presence.taking(window.started)
        self._meter.spend(session, [(one.relay, getattr(one, "family", "")) for one in window.started], now)
        return window

    def _allow(self) -> None:
        now = self._clock.now()
        for relay in self._carrier.relays:
            connections = self._meter.connections(relay, now)
            self._carrier.allow(relay, connections)
            if not connections:  # else its share would fill the window, and the others had nothing to do
                self._give_back(self._in_flight.take_back(relay), "its relay is paused")
            elif self._meter.has_other(relay, now) and self._hangs(relay):
                self._bear(relay, RelayUnreachableError(f"{relay} has accepted no mail for {HANGING_SECONDS:.0f} s."))
        self._run.progress.waits = self._meter.waits(now)
        self._progress(self._run.progress)  # also when nothing ends: it shows what is waited for

    def _hangs(self, relay: str) -> bool:
        since = self._in_flight.waiting_since(relay)
        late = since is not None and self._clock.monotonic() - max(since, self._able_since) > HANGING_SECONDS
        return late and not self._in_flight.under_way(relay)

    # One message

    def _may_start(self) -> bool:
        return self._presence.has_looked or self._is_ending

    def _may_go(self, item: InFlight[Started]) -> bool:
        return self._presence.has_looked and not self._objection(item)[0]

    def _hand_over(self, item: InFlight[Started]) -> bool:
        """Note that a message may have been sent; not after a gap, in which its reader may have left."""
        if self._slept_since(item) or self._presence.seconds_since_look > STALE_SECONDS:
            return False
        self._presence.hand_over(item.started)
        return True

    def _slept_since(self, item: InFlight[Started]) -> bool:
        return self._clock.asleep() - item.asleep > ASLEEP_SECONDS

    def _admit(self, item: InFlight[Started]) -> Parcel | None:
        """Make a parcel of an item, immediately before its envelope; or settle it, and return None."""
        objection, due_at = self._objection(item)
        if objection:
            self._give_back([item], objection, due_at)
            return None
        started = item.started
        try:
            letter = item.stream.write(started, self._clock.now())
        except HeaderUnsafeError as error:  # about this reader alone; anything else would hit every reader
            fields = (started.promised, started.id, started.attempt_id, State.REJECTED, Outcome.REJECTED)
            self._ledger.keep(Settlement(*fields, self._clock.now(), reason=f"no mail can be made: {error.message}"))
            self._run.progress.count(State.REJECTED, started.relay, item.family)
            return None
        return Parcel(started.attempt_id, started.relay, letter.envelope, letter.message)

    def _objection(self, item: InFlight[Started]) -> tuple[str, datetime | None]:
        """Return why a message must not go any more, empty if it may; and when it is due instead, if not at once."""
        if self._stopping or self._failure is not None:
            return "the worker was told to stop", None
        if not self._presence.is_going(item.stream.issue_id):
            return "the issue was held or withdrawn", None
        if self._clock.monotonic() - item.taken_at > STALE_SECONDS:
            return "it was claimed too long ago", None
        if self._slept_since(item):
            return "the machine was suspended after it was claimed", None
        if self._meter.knows_nothing:
            return "", None
        until = self._meter.held_until(item.address, self._clock.now())
        return ("their mail server asked for a pause", until) if until else ("", None)

    def _give_back(self, items: Sequence[InFlight[Started]], why: str, due_at: datetime | None = None) -> None:
        now = self._clock.now()
        for item in items:
            one = item.started
            self._ledger.keep(not_sent(one.promised, one.id, one.attempt_id, why, now, due_at=due_at))
            self._round_robin.ask_again(item.stream)

    def _note(self, step: Step) -> None:
        """Keep the outcomes of ended parcels, and handle relay failures."""
        for parcel, reply in step.ended:
            item = self._in_flight.carried(parcel.key)
            settlement = self._concluded(item, reply)
            self._ledger.keep(settlement)
            self._in_flight.ended(parcel.key)
            if reply.outcome is Outcome.NOT_SENT:
                self._round_robin.ask_again(item.stream)
            else:
                self._learn(item, parcel, reply, settlement.state)
            if settlement.about_us:
                self._presence.look_first()
        if step.ended:
            self._speed.answered(len(step.ended))
            self._progress(self._run.progress)
        # connections that were opened together fail together: that is one failure, and one wait
        for relay, failure in {(relay, type(failure)): (relay, failure) for relay, failure in step.failures}.values():
            self._bear(relay, failure)

    def _learn(self, item: InFlight[Started], parcel: Parcel, reply: Reply, state: State) -> None:
        self._relay_patience.succeeded()
        self._troubles.pop(parcel.relay, None)
        self._meter.note(reply, parcel.relay, parcel.envelope.recipient, self._clock.now())
        self._run.progress.count(state, parcel.relay, item.family)
        if reply.outcome is Outcome.DEFERRED and is_about_relay(reply):
            self._allow()  # it wants to be left alone now, not after the next look

    def _concluded(self, item: InFlight[Started], reply: Reply) -> Settlement:
        return conclude(item.started, reply, self._clock.now(), self._jitter())

    # When things fail

    def _bear(self, relay: str, failure: DigestError) -> None:
        """Go on without a relay, or wait for it; a refusal ends the run, since it would hit every message."""
        now = self._clock.now()
        if isinstance(failure, RelayRefusedError):
            self._failure = self._failure or failure
            return
        if self._in_flight.under_way(relay):
            return  # it works, but takes no further connection
        if self._troubles.get(relay) != failure.message:  # the same trouble is one line, however often it is met
            self._troubles[relay] = failure.message
            logger.warning("%s Since %s UTC; retrying for a while.", failure.message, f"{now:%H:%M:%S}")
        self._give_back(self._in_flight.take_back(relay), failure.message)
        if self._meter.has_other(relay, now):
            self._meter.down(relay, now + _WITHOUT_RELAY)
            return
        if not self._relay_patience.wait() and not self._stopping:
            self._failure = failure

    def _end_badly(self, error: BaseException) -> None:
        """Settle what an exception left: what was under way may have arrived, what waited has not gone."""
        why = f"the worker ended before the answer came: {type(error).__name__}"
        self._stopping = True  # a wait for the database ends
        with suppress(Exception):
            self._background.collect(wait=True)
        self._give_back(self._in_flight.take_back(), why)
        for item in self._in_flight.on_the_way():
            self._ledger.keep(self._concluded(item, Reply(Outcome.UNCERTAIN, None, None, why, item.started.relay)))
            self._in_flight.ended(item.started.attempt_id)
