"""The worker on both databases, into real Maildirs and past every failure: what is started has an end, and one only."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from digest.delivery.mail.headers import HeaderUnsafeError
from digest.delivery.mail.message import Letter
from digest.delivery.maildir import MaildirTransport
from digest.delivery.outcome import Outcome
from digest.delivery.sequential import OneByOne
from digest.delivery.smtp.relay import RelayConfig, Tls
from digest.delivery.smtp.transport import SmtpTransport
from digest.delivery.transport import (
    Envelope,
    Parcel,
    ParcelSource,
    RelayRefusedError,
    Reply,
    Step,
    Transport,
    WithEvidence,
)
from digest.delivery.worker.loop import Worker
from digest.delivery.worker.place import WorkerPlace
from digest.delivery.worker.window import window_limit
from digest.outbox import operations
from digest.outbox.journal import LAST, Journal, database_name, read_journal
from digest.outbox.notices import TakenNotice, promise
from digest.outbox.settle import read_file, settle
from digest.outbox.take import Taken
from digest.outbox.workers import WorkerLock
from digest.runtime.db import session_scope
from digest.runtime.errors import DatabaseUnreachableError, RelayUnreachableError
from digest.runtime.signals import stopping_on_signals
from digest.sink.server import Sink
from digest.testing import FrozenClock, ScriptedTransport
from tests.support.ledger import HOST, Ledger


class PlainWriter:
    """Writes the shortest mails there are; a reader called `unsafe` has a name that no header can hold."""

    def prepare(self, session: Session, edition_ids: Sequence[int]) -> None:
        pass

    def delivery(self, taken: Taken, now: datetime) -> Letter:
        if taken.reader.name == "unsafe":
            raise HeaderUnsafeError
        return self._letter(taken.envelope_id, taken.reader.address)

    def notice(self, taken: TakenNotice, now: datetime) -> Letter:
        return self._letter(taken.envelope_id, taken.address)

    def _letter(self, own_id: str, address: str) -> Letter:
        message = [f"To: {address}\r\n".encode(), b"\r\n.dot\r\n"]
        return Letter(Envelope(own_id, "news@example.org", address), message)


class Desk:
    """A ledger, a clock, and workers that use both."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.clock = FrozenClock(ledger.now)
        self.maildir = folder / "mail"
        self.place = WorkerPlace(HOST, folder / "locks", folder / "outcomes")
        self.progress: list[int] = [0]

    def worker(self, transport: Transport | None = None) -> Worker:
        transport = transport or MaildirTransport(self.maildir)
        return Worker(
            self.ledger.engine,
            OneByOne(transport, self.clock),
            PlainWriter(),
            self.clock,
            self.place,
            evidence=transport.evidence if isinstance(transport, WithEvidence) else None,
            progress=lambda tally: self.progress.append(tally.settled),
            jitter=lambda: 0.5,
        )

    def deliver(self, transport: Transport | None = None) -> Any:
        with self.worker(transport) as worker:
            return worker.deliver(self.ledger.issue_id)

    def delivered(self) -> list[str]:
        return sorted(path.read_text().split("\n")[0].removeprefix("To: ") for path in (self.maildir / "new").iterdir())


@pytest.fixture
def desk(ledger: Ledger, tmp_path: Path) -> Desk:
    return Desk(ledger, tmp_path)


class Hooked(ScriptedTransport):
    """Does something at the n-th message, before it answers."""

    def __init__(self, at: int, hook: Callable[[], None]) -> None:
        super().__init__()
        self._at, self._hook = at, hook

    def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
        if len(self.sent) + 1 == self._at:
            self._at = 0
            self._hook()
        return super().send(envelope, message)


def recipients(transport: ScriptedTransport) -> list[str]:
    return sorted(envelope.recipient for envelope, _ in transport.sent)


def addresses(count: int) -> list[str]:
    return sorted(f"reader{n}@example.org" for n in range(1, count + 1))


def fail(error: Exception) -> Callable[[], None]:
    def hook() -> None:
        raise error

    return hook


def test_everybody_gets_one_mail_and_the_issue_is_sent(desk: Desk) -> None:
    desk.ledger.planned(70)
    run = desk.deliver()
    assert run.outcomes == {"accepted": 70}
    assert (run.next_due, run.stopped) == (None, False)
    assert desk.delivered() == addresses(70)
    assert desk.ledger.counts() == {"accepted": 70}
    assert desk.progress[-1] == 70
    with session_scope(desk.ledger.engine) as session:
        assert not operations.finish(session, desk.ledger.issue_id, desk.clock.now())  # it is sent already
    assert desk.deliver().outcomes == {}
    assert len(desk.delivered()) == 70


def test_each_message_is_in_the_journal_before_it_is_sent(desk: Desk) -> None:
    desk.ledger.planned(70)
    handed_over: list[int] = []

    class Watched(ScriptedTransport):
        def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
            (path,) = desk.place.locks.glob("*.journal")
            found = read_journal(path)
            assert found is not None
            handed_over.append(len(found.attempts))
            assert envelope.delivery_id.startswith(f"delivery-{list(found.attempts.values())[-1].id}-")
            return super().send(envelope, message)

    desk.deliver(Watched())
    assert handed_over == [*range(1, 71)]
    assert [path.name for path in desk.place.locks.iterdir()] == [LAST], "it signed off"


def test_recovery_removes_the_journals_of_the_dead_only(desk: Desk) -> None:
    folder, locks = desk.place.locks, {name: WorkerLock(desk.place.locks, name) for name in ("dead", "alive")}
    for name, lock in locks.items():
        lock.acquire()
        Journal(folder / f"{name}.journal", name, HOST, database_name(desk.ledger.engine.url, folder))
    locks["dead"].release(clean=False)
    desk.deliver()
    assert {path.name for path in folder.iterdir()} == {"dead.lock", "alive.lock", "alive.journal"}
    locks["alive"].release(clean=True)


def test_a_maildirs_files_have_plain_line_ends_no_doubled_dots(desk: Desk) -> None:
    desk.ledger.planned(1)
    desk.deliver()
    (path,) = (desk.maildir / "new").iterdir()
    assert path.read_bytes() == b"To: reader1@example.org\n\n.dot\n"


def test_over_smtp_the_answers_decide(desk: Desk, tmp_path: Path) -> None:
    for address in ("550@sink.example", "tempfail@sink.example", "drop-after-dot@sink.example", "ada@sink.example"):
        desk.ledger.reader(address=address)
    desk.ledger.freeze()
    with Sink(tmp_path / "sink") as sink:
        run = desk.deliver(SmtpTransport(sink_config(sink)))
    assert run.outcomes == {"rejected": 1, "deferred": 1, "uncertain": 1, "accepted": 1}
    assert run.next_due is not None
    assert run.next_due > desk.clock.now()
    rows = desk.ledger.deliveries()
    assert [row.state for row in rows] == ["rejected", "deferred", "uncertain", "accepted"]
    assert all(row.reason for row in rows[:3])
    assert [attempt.code for attempt in desk.ledger.attempts() if attempt.outcome == "rejected"] == [550]


def sink_config(sink: Sink) -> Any:
    return RelayConfig(host=sink.host, port=sink.port, tls=Tls.NONE)


def test_told_to_stop_it_ends_the_mail_on_the_wire_and_no_more(desk: Desk) -> None:
    desk.ledger.planned(5)
    transport = Hooked(2, lambda: worker.stop())  # noqa: PLW0108 - it does not exist yet
    with desk.worker(transport) as worker:
        assert worker.deliver(desk.ledger.issue_id).stopped
    assert len(transport.sent) == 2
    assert desk.ledger.counts() == {"accepted": 2, "pending": 3}
    assert {a.outcome for a in desk.ledger.attempts()} == {"accepted", "not_sent"}
    desk.deliver(transport)
    assert recipients(transport) == addresses(5)


def test_sigterm_stops_it_cleanly(desk: Desk) -> None:
    desk.ledger.planned(3)
    transport = Hooked(1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with desk.worker(transport) as worker, stopping_on_signals(worker.stop):
        worker.deliver(desk.ledger.issue_id)
    assert signal.getsignal(signal.SIGTERM) is before
    assert desk.ledger.counts() == {"accepted": 1, "pending": 2}


@pytest.mark.parametrize("values", [{"held": True}, {"state": "withdrawn"}])
def test_a_hold_or_withdrawal_in_the_middle_of_a_window_stops_it(desk: Desk, values: dict[str, Any]) -> None:
    desk.ledger.planned(4)

    def hook() -> None:
        desk.ledger.change_issue(**values)
        desk.clock.move(seconds=2)

    desk.deliver(Hooked(2, hook))
    rest = "cancelled" if "state" in values else "pending"
    assert desk.ledger.counts() == {"accepted": 2, rest: 2}


def test_what_was_taken_more_than_two_minutes_ago_is_taken_anew(desk: Desk) -> None:
    people = desk.ledger.planned(3)

    def hook() -> None:
        desk.clock.move(seconds=121)
        desk.ledger.change(people[2], state="unsubscribed")

    transport = Hooked(1, hook)
    desk.deliver(transport)
    assert recipients(transport) == addresses(2)
    assert desk.ledger.counts() == {"accepted": 2, "skipped": 1}
    assert sorted(str(a.outcome) for a in desk.ledger.attempts()) == ["accepted", "accepted", "not_sent", "not_sent"]


@pytest.mark.parametrize("seconds", [2, 60, 135, 100_000])
def test_after_a_suspend_consent_is_asked_before_the_next_mail(desk: Desk, seconds: float) -> None:
    people = desk.ledger.planned(4)

    def hook() -> None:
        desk.clock.move(seconds=seconds, suspended=True)
        for person in people[2:]:
            desk.ledger.change(person, state="unsubscribed")

    transport = Hooked(1, hook)
    desk.deliver(transport)
    assert recipients(transport) == addresses(2)
    assert desk.ledger.counts() == {"accepted": 2, "skipped": 2}


@pytest.mark.parametrize(("seconds", "suspended"), [(60, True), (121, False)])
def test_a_suspend_within_the_envelope_holds_the_message_back(desk: Desk, seconds: float, suspended: bool) -> None:
    (person,) = desk.ledger.planned(1)
    transport = ScriptedTransport()
    worker = desk.worker(transport)

    class SuspendedAtData:
        """The source of a carrier whose machine sleeps while a relay thinks about DATA."""

        def __init__(self, source: ParcelSource) -> None:
            self.waiting, self.next, self.may_go = source.waiting, source.next, source.may_go
            self._source = source

        def hand_over(self, parcel: Parcel) -> bool:
            desk.clock.move(seconds=seconds, suspended=suspended)
            desk.ledger.change(person, state="unsubscribed")
            return self._source.hand_over(parcel)

    class Carrier(OneByOne):
        def step(self, source: ParcelSource, seconds: float) -> Step:
            return super().step(SuspendedAtData(source), seconds)

    worker._carrier = Carrier(transport, desk.clock)
    with worker:
        worker.deliver(desk.ledger.issue_id)
    assert transport.sent == []
    assert desk.ledger.counts() == {"skipped": 1}


def test_a_relay_that_refuses_us_stops_the_run_and_loses_nobody(desk: Desk) -> None:
    desk.ledger.planned(4)
    transport = Hooked(2, fail(RelayRefusedError("wrong password")))
    with pytest.raises(RelayRefusedError):
        desk.deliver(transport)
    assert desk.ledger.counts() == {"accepted": 1, "pending": 3}
    assert desk.ledger.delivery(2).reason == "wrong password"


def test_a_relay_that_comes_back_gets_the_rest(desk: Desk) -> None:
    desk.ledger.planned(4)
    transport = Hooked(2, fail(RelayUnreachableError("no route")))
    run = desk.deliver(transport)
    assert run.outcomes == {"accepted": 4}
    assert recipients(transport) == addresses(4)
    assert desk.clock.monotonic() > 0


def test_a_relay_that_stays_away_is_given_up_with_all_pending(desk: Desk) -> None:
    desk.ledger.planned(2)

    class Away(ScriptedTransport):
        def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
            raise RelayUnreachableError

    with pytest.raises(RelayUnreachableError):
        desk.deliver(Away())
    assert desk.ledger.counts() == {"pending": 2}


def test_an_answer_not_sent_is_a_relay_that_is_away(desk: Desk) -> None:
    desk.ledger.planned(2)
    transport = ScriptedTransport([Outcome.NOT_SENT])
    desk.deliver(transport)
    assert desk.ledger.counts() == {"accepted": 2}
    assert len(transport.sent) == 3


def test_a_broken_transport_leaves_one_uncertain_others_pending(desk: Desk) -> None:
    desk.ledger.planned(3)
    with pytest.raises(ZeroDivisionError):
        desk.deliver(Hooked(2, fail(ZeroDivisionError())))
    assert desk.ledger.counts() == {"accepted": 1, "uncertain": 1, "pending": 1}
    assert "ZeroDivisionError" in desk.ledger.delivery(2).reason


def test_a_name_that_no_header_holds_is_rejected_others_go(desk: Desk) -> None:
    desk.ledger.reader(name="unsafe")
    desk.ledger.planned(1)
    transport = ScriptedTransport()
    assert desk.deliver(transport).outcomes == {"rejected": 1, "accepted": 1}
    assert recipients(transport) == ["reader2@example.org"]
    assert "no mail can be made" in desk.ledger.delivery(1).reason


def test_what_is_put_off_again_and_again_expires(desk: Desk) -> None:
    desk.ledger.planned(1)
    transport = ScriptedTransport([Outcome.DEFERRED] * 100)
    rounds = 0
    while (run := desk.deliver(transport)).next_due is not None:
        desk.clock.move(seconds=(run.next_due - desk.clock.now()).total_seconds())
        rounds += 1
    assert rounds > 3
    assert desk.ledger.counts() == {"expired": 1}
    assert len(transport.sent) == rounds + 1


def test_after_a_crash_a_maildir_resolves_itself_without_doubles(desk: Desk) -> None:
    desk.ledger.planned(3)
    transport = MaildirTransport(desk.maildir)
    first, _second = desk.ledger.take(limit=2, worker="dead", relay=transport.name)
    letter = PlainWriter().delivery(first, desk.clock.now())
    transport.send(letter.envelope, letter.message)
    desk.deliver()
    assert desk.delivered() == addresses(3)
    assert desk.ledger.counts() == {"accepted": 3}


def test_a_maildir_that_outlived_its_database_is_no_evidence(desk: Desk, tmp_path: Path) -> None:
    desk.ledger.planned(2)
    desk.deliver()
    for name in ("attempt", "delivery"):
        with session_scope(desk.ledger.engine) as session:
            session.execute(text(f"DELETE FROM {name}"))
    desk.ledger.change_issue(state="sending")
    desk.ledger.now += timedelta(seconds=1)
    desk.ledger.freeze()
    desk.clock.move(seconds=1)
    desk.deliver()
    assert desk.delivered() == sorted(addresses(2) * 2)


def test_over_smtp_a_crash_leaves_uncertain_what_needs_a_person(desk: Desk) -> None:
    desk.ledger.planned(3)
    desk.ledger.take(limit=1, worker="dead", relay="")
    transport = ScriptedTransport()
    desk.deliver(transport)
    assert len(transport.sent) == 2
    assert desk.ledger.counts() == {"accepted": 2, "uncertain": 1}


def test_notices_go_by_the_same_way(desk: Desk) -> None:
    with session_scope(desk.ledger.engine) as session:
        promise(session, "operator", "1", address="op@example.org", language="en", now=desk.clock.now())
    with desk.worker() as worker:
        run = worker.deliver_notices()
    assert run.outcomes == {"accepted": 1}
    assert desk.delivered() == ["op@example.org"]
    with desk.worker() as worker:
        assert worker.deliver_notices().outcomes == {}


def test_a_confirmation_asked_for_does_not_wait_for_the_issue(desk: Desk) -> None:
    desk.ledger.planned(200)

    def sign_up() -> None:
        person = desk.ledger.reader(state="pending", address="new@example.org")
        with session_scope(desk.ledger.engine) as session:
            mail = {"address": "new@example.org", "language": "en", "subscriber_id": person}
            promise(session, "confirmation", "new", now=desk.clock.now(), **mail)
        desk.clock.move(seconds=6)

    transport = Hooked(40, sign_up)
    with desk.worker(transport) as worker:
        run = worker.deliver_all([desk.ledger.issue_id])
    assert run.outcomes == {"accepted": 201}
    sent = [envelope.recipient for envelope, _ in transport.sent]
    assert 40 <= sent.index("new@example.org") < 140, "at most two windows later"


# The database goes away


@contextmanager
def database(desk: Desk, name: str, handler: Callable[[Connection], None]) -> Iterator[None]:
    event.listen(desk.ledger.engine, name, handler)
    try:
        yield
    finally:
        event.remove(desk.ledger.engine, name, handler)


def away() -> OperationalError:
    return OperationalError("BEGIN", {}, Exception("the server closed the connection"))


def test_while_the_database_is_away_nothing_starts_or_is_lost(desk: Desk) -> None:
    desk.ledger.planned(20)
    failures = iter(range(4))
    switched: list[bool] = []

    def broken(_connection: Connection) -> None:
        if switched and next(failures, None) is not None:
            raise away()

    transport = Hooked(5, lambda: switched.append(True))
    with database(desk, "begin", broken):
        desk.deliver(transport)
    assert recipients(transport) == addresses(20)
    assert desk.ledger.counts() == {"accepted": 20}


def test_outcomes_never_taken_are_in_a_file_that_settles_them(desk: Desk) -> None:
    desk.ledger.planned(3)
    switched: list[bool] = []

    def broken(_connection: Connection) -> None:
        if switched:
            raise away()

    transport = Hooked(3, lambda: switched.append(True))
    with pytest.raises(DatabaseUnreachableError), database(desk, "begin", broken):
        desk.deliver(transport)
    started = desk.ledger.counts()["started"]
    assert started > 1
    (path,) = desk.place.leftovers.iterdir()
    with session_scope(desk.ledger.engine) as session:
        assert settle(session, read_file(path)) == started
    assert desk.ledger.counts() == {"accepted": 3}


def commit_and_lose_the_answer(times: Iterator[int], statements: list[str]) -> Callable[[Connection], None]:
    def handler(connection: Connection) -> None:
        took = any("INSERT INTO attempt" in statement for statement in statements)
        statements.clear()
        if took and next(times, None) is not None:
            driver: Any = connection.connection.driver_connection
            driver.execute("COMMIT") if connection.dialect.name == "sqlite" else driver.commit()
            raise away()

    return handler


def test_a_lost_answer_to_a_commit_sends_nothing_twice(desk: Desk) -> None:
    desk.ledger.planned(25)
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(desk.ledger.engine, "before_cursor_execute", note)
    transport = ScriptedTransport()
    with database(desk, "commit", commit_and_lose_the_answer(iter(range(2)), statements)):
        desk.deliver(transport)
    event.remove(desk.ledger.engine, "before_cursor_execute", note)
    assert recipients(transport) == addresses(25)
    assert desk.ledger.counts() == {"accepted": 25}
    outcomes = [attempt.outcome for attempt in desk.ledger.attempts()]
    assert (outcomes.count("accepted"), outcomes.count("not_sent")) == (25, 20)


@pytest.mark.parametrize(
    ("pace", "capacity", "limit"),
    [(None, 20, 10), (None, 2, 4), (1.0, 20, 2), (0.01, 20, 1), (500.0, 20, 40), (500.0, 100, 50), (500.0, 1, 2)],
)
def test_a_window_is_two_seconds_of_pace_and_twice_in_flight(pace: float | None, capacity: int, limit: int) -> None:
    assert window_limit(pace, capacity, journal=False) == limit


@pytest.mark.parametrize(
    ("pace", "capacity", "limit"),
    [
        (None, 20, 10),
        (1.0, 20, 2),
        (0.01, 20, 1),
        (500.0, 20, 100),
        (500.0, 2, 10),
        (500.0, 100, 400),
        (9e9, 999, 1000),
    ],
)
def test_with_a_journal_a_window_is_two_takes_of_50(pace: float | None, capacity: int, limit: int) -> None:
    """Or of four for each connection; see capacity, which is twice the connections."""
    assert window_limit(pace, capacity, journal=True) == limit


def test_a_worker_that_had_nothing_to_start_leaves_no_trace(desk: Desk) -> None:
    """One that stays begins to work each second while mail is due that may not go: rows of a day would be thousands."""
    desk.ledger.planned(1)
    desk.deliver()
    assert workers_known(desk) == 1
    desk.deliver()
    assert workers_known(desk) == 1
    assert [path.name for path in desk.place.locks.iterdir()] == [LAST]


def workers_known(desk: Desk) -> int:
    with session_scope(desk.ledger.engine, read_only=True) as session:
        return int(session.execute(text("SELECT count(*) FROM worker")).scalar_one())
