"""The worker interrupted, and told to stop, at the worst moments: what may be on the wire is never taken for unsent."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from digest.delivery.meter import Meter, Way
from digest.delivery.outcome import Outcome, Phase
from digest.delivery.sequential import OneByOne
from digest.delivery.transport import ParcelSource, Reply, Step
from digest.delivery.worker.loop import HANGING_SECONDS, Worker
from digest.outbox.settle import read_file, settle
from digest.outbox.states import State
from digest.runtime.db import session_scope
from digest.runtime.errors import DatabaseUnreachableError
from tests.unit.digest.delivery.test_meter import TwoRelays
from tests.unit.digest.delivery.worker.test_loop import Desk, Hooked, PlainWriter, away, database, desk

__all__ = ["desk"]


def worker(desk: Desk, transport: Any, jitter: Callable[[], float] = lambda: 0.5, writer: Any = None) -> Worker:
    carrier = OneByOne(transport, desk.clock)
    return Worker(desk.ledger.engine, carrier, writer or PlainWriter(), desk.clock, desk.place, jitter=jitter)


def test_interrupts_and_doubt_never_make_a_mail_on_the_wire_due(desk: Desk) -> None:
    desk.ledger.planned(10)
    armed: dict[str, bool] = {}

    def broken(_connection: Connection) -> None:
        if armed.pop("database", False):
            raise away()

    def jitter() -> float:
        if armed.pop("interrupt", False):
            raise KeyboardInterrupt
        return 0.5

    def hook() -> None:
        armed["database"] = True
        desk.clock.move(seconds=1.5)  # the next look meets the failure, and no take follows it
        time.sleep(0.1)  # the commit of the last take ends, so that there is a look before the interrupt

    class Interrupted(Hooked):
        def send(self, envelope: Any, message: Any) -> Any:
            reply = super().send(envelope, message)
            if len(self.sent) == 8:
                armed["interrupt"] = True
                raise KeyboardInterrupt
            return reply

    transport = Interrupted(4, hook)
    with pytest.raises(KeyboardInterrupt), database(desk, "begin", broken), worker(desk, transport, jitter) as one:
        one.deliver(desk.ledger.issue_id)
    sent = [envelope.recipient for envelope, _ in transport.sent]
    assert len(sent) == 8
    desk.deliver(transport)
    again = [envelope.recipient for envelope, _ in transport.sent]
    assert len(set(again)) == len(again)
    assert desk.ledger.counts() == {"accepted": 9, "uncertain": 1}


def test_outcomes_are_kept_in_a_file_whatever_ails_the_database(desk: Desk) -> None:
    desk.ledger.planned(3)
    switched: list[bool] = []

    def broken(_connection: Connection) -> None:
        if switched:
            raise DatabaseError("BEGIN", {}, Exception("cannot execute UPDATE in a read-only transaction"))

    transport = Hooked(3, lambda: switched.append(True))
    with pytest.raises(DatabaseError), database(desk, "begin", broken):
        desk.deliver(transport)
    (path,) = desk.place.leftovers.iterdir()
    with session_scope(desk.ledger.engine) as session:
        settle(session, read_file(path))
    assert desk.ledger.counts() == {"accepted": 3}


def test_a_letter_that_cannot_be_written_was_not_sent(desk: Desk) -> None:
    class Failing(PlainWriter):
        def delivery(self, taken: Any, now: Any) -> Any:
            if taken.reader.address.startswith("reader3@"):
                raise LookupError("a word is missing")
            return super().delivery(taken, now)

    desk.ledger.planned(5)
    with pytest.raises(LookupError), worker(desk, Hooked(0, lambda: None), writer=Failing()) as one:
        one.deliver(desk.ledger.issue_id)
    assert desk.ledger.counts() == {"accepted": 2, "pending": 3}


def test_stopped_while_the_database_is_away_it_hears_the_answers(desk: Desk) -> None:
    """Three are on the wire; the stop ends the patience with the database, and the answers come after that."""
    desk.ledger.planned(3)
    switched: list[bool] = []

    def broken(_connection: Connection) -> None:
        if switched:
            raise away()

    class Slow(TwoRelays):
        relays = ("a",)

        def __init__(self) -> None:
            super().__init__(desk.clock, {})
            self.parcels: list[Any] = []
            self.steps = 0

        def step(self, source: ParcelSource, seconds: float) -> Step:
            while parcel := source.next("a"):
                self.parcels.append(parcel)
            if len(self.parcels) == 3 and not switched:
                switched.append(True)
                one.stop()
            self._clock.sleep(max(seconds, 0.1))
            if switched:
                time.sleep(0.01)  # for the thread of the transactions
                self.steps += 1
                self.idle = min(getattr(self, "idle", seconds), seconds)
            step = Step()
            if self.steps > 50:
                for parcel in self.parcels:
                    self._carry("a", parcel, step)
                self.parcels.clear()
            return step

    carrier = Slow()
    one = Worker(desk.ledger.engine, carrier, PlainWriter(), desk.clock, desk.place)
    with pytest.raises(DatabaseUnreachableError), database(desk, "begin", broken), one:
        one.deliver(desk.ledger.issue_id)
    (path,) = desk.place.leftovers.iterdir()
    assert {settlement.state for settlement in read_file(path)} == {State.ACCEPTED}
    with session_scope(desk.ledger.engine) as session:
        settle(session, read_file(path))
    assert desk.ledger.counts() == {"accepted": 3}


def test_while_it_ends_it_waits_for_the_wire_and_does_not_spin(desk: Desk) -> None:
    desk.ledger.planned(20)
    waits: list[float] = []

    class Slow(TwoRelays):
        relays = ("a",)

        def step(self, source: ParcelSource, seconds: float) -> Step:
            if not self.sent and (parcel := source.next("a")):
                self.held = parcel
                self.sent.append(("a", parcel.envelope.recipient))
                one.stop()
            source.next("a")
            step = Step()
            waits.append(seconds)
            self._clock.sleep(seconds)
            if len(waits) > 200:
                step.ended.append((self.held, Reply(Outcome.ACCEPTED, 250, "2.0.0", "ok", "a", Phase.DOT)))
            time.sleep(0.001)
            return step

    one = Worker(desk.ledger.engine, Slow(desk.clock, {}), PlainWriter(), desk.clock, desk.place)
    with one:
        one.deliver(desk.ledger.issue_id)
    assert min(waits[2:]) > 0  # the first two were before it was told to end


def over(desk: Desk, carrier: TwoRelays) -> None:
    ways = Meter([Way("a", weight=3), Way("b")])
    with Worker(desk.ledger.engine, carrier, PlainWriter(), desk.clock, desk.place, meter=ways) as one:
        one.deliver(desk.ledger.issue_id)


def test_a_relay_to_be_left_alone_leaves_its_share_to_the_other(desk: Desk) -> None:
    class Busy(TwoRelays):
        allowed = {"a": 1, "b": 1}
        full = False
        last = 0.0

        def allow(self, relay: str, connections: int) -> None:
            self.allowed = {**self.allowed, relay: connections}

        def step(self, source: ParcelSource, seconds: float) -> Step:
            step = Step()
            self.full = self.full or source.waiting("a") > 13  # more than half a window
            if self.full and self.allowed["a"] and (parcel := source.next("a")):
                busy = Reply(Outcome.DEFERRED, 421, "4.3.2", "busy", "a", Phase.MAIL)
                step.ended.append((parcel, busy))
            if self.allowed["b"] and (parcel := source.next("b")):
                self._carry("b", parcel, step)
                self.last = self._clock.monotonic()
            self._clock.sleep(0.05)
            time.sleep(0.0005)
            return step

    desk.ledger.planned(60)
    carrier = Busy(desk.clock, {})
    over(desk, carrier)
    assert carrier.last < HANGING_SECONDS  # the hold is a minute, and nothing waited for its end
    counts = desk.ledger.counts()
    assert counts["accepted"] + counts["deferred"] == 60
    assert counts["deferred"] == 1  # it was heard at once


def test_a_relay_that_hangs_leaves_its_share_to_the_other(desk: Desk) -> None:
    class Hanging(TwoRelays):
        def step(self, source: ParcelSource, seconds: float) -> Step:
            step = Step()
            if parcel := source.next("b"):
                self._carry("b", parcel, step)
            self._clock.sleep(0.05)
            time.sleep(0.0005)
            return step

    desk.ledger.planned(60)
    over(desk, Hanging(desk.clock, {}))
    assert desk.ledger.counts() == {"accepted": 60}


def test_a_mail_that_came_back_does_not_go_after_a_stop_or_hold(desk: Desk) -> None:
    """On another connection it would begin again: what speaks against a beginning speaks against this one."""
    desk.ledger.planned(3)
    asked: dict[str, bool] = {}

    class Returning(TwoRelays):
        relays = ("a",)

        def step(self, source: ParcelSource, seconds: float) -> Step:
            step = Step()
            if not asked and (parcel := source.next("a")):
                asked["before"] = source.may_go(parcel)
                desk.ledger.change_issue(held=True)
                self._clock.sleep(1.5)
                self.parcel = parcel
            elif asked and "after" not in asked and not source.may_go(self.parcel):
                asked["after"] = False
                step.ended.append((self.parcel, Reply(Outcome.NOT_SENT, None, None, "", "a", Phase.BEFORE)))
            elif "after" in asked:
                assert source.next("a") is None
            assert self._clock.monotonic() < 60
            time.sleep(0.001)  # for the thread of the transactions, whose clock stands still
            self._clock.sleep(seconds)
            return step

    with Worker(desk.ledger.engine, Returning(desk.clock, {}), PlainWriter(), desk.clock, desk.place) as one:
        one.deliver(desk.ledger.issue_id)
    assert asked == {"before": True, "after": False}
    assert desk.ledger.counts() == {"pending": 3}


def test_a_database_that_was_away_is_no_fault_of_a_relay(desk: Desk) -> None:
    """While it is away nothing begins, and everything waits; afterwards both relays go on."""
    desk.ledger.planned(60)
    failing: list[int] = []

    def broken(_connection: Connection) -> None:
        if failing and failing[0] > 0:
            failing[0] -= 1
            raise away()

    class Both(TwoRelays):
        def step(self, source: ParcelSource, seconds: float) -> Step:
            if len(self.sent) >= 6 and not failing:
                failing.append(5)
            step = Step()
            for relay in self.relays:
                if parcel := source.next(relay):
                    self._carry(relay, parcel, step)
            self._clock.sleep(0.05)
            time.sleep(0.0005)
            return step

    with database(desk, "begin", broken):
        over(desk, carrier := Both(desk.clock, {}))
    assert failing == [0]
    assert desk.ledger.counts() == {"accepted": 60}
    assert {attempt.outcome for attempt in desk.ledger.attempts()} == {"accepted"}
    assert len(carrier.sent) == 60
