"""The worker interrupted, and told to stop, at the worst moments: what may be on the wire is never taken for unsent."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from digest.delivery.one_by_one import OneByOne
from digest.delivery.worker import Worker
from digest.outbox.settle import read_file, settle
from digest.runtime.db import session_scope
from tests.store.test_worker import Desk, Hooked, PlainWriter, away, database, desk

__all__ = ["desk"]


def worker(desk: Desk, transport: Any, jitter: Callable[[], float] = lambda: 0.5, writer: Any = None) -> Worker:
    carrier = OneByOne(transport, desk.clock)
    return Worker(desk.ledger.engine, carrier, writer or PlainWriter(), desk.clock, desk.place, jitter=jitter)


def test_two_interrupts_and_a_database_in_doubt_never_make_a_mail_on_the_wire_due_again(desk: Desk) -> None:
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

    class Interrupted(Hooked):
        def send(self, envelope: Any, message: Any) -> Any:
            reply = super().send(envelope, message)
            if len(self.sent) == 8:
                armed["interrupt"] = True
                raise KeyboardInterrupt
            return reply

    transport = Interrupted(4, hook)
    with (
        pytest.raises(KeyboardInterrupt),
        database(desk, "begin", broken),
        worker(desk, transport, jitter) as one,
    ):
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
