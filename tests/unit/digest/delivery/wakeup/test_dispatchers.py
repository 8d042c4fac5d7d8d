"""Dispatchers keep one contract: an announcement wakes, and whatever becomes of it, nothing but time is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text, update
from sqlalchemy.exc import OperationalError

from digest.app import App
from digest.delivery.wakeup.event import Wakeup
from digest.delivery.wakeup.listener import Listener
from digest.delivery.wakeup.local import LocalDispatcher
from digest.delivery.wakeup.polling import Outlook, outlook
from digest.delivery.wakeup.protocol import Dispatcher
from digest.delivery.wakeup.queue import QueueDispatcher
from digest.outbox.notices import promise
from digest.outbox.states import DUE, State
from digest.outbox.tables import DELIVERY, NOTICE, WORKER
from digest.runtime.clock import SystemClock
from digest.runtime.db import make_engine, session_scope
from digest.runtime.errors import RelayUnreachableError
from digest.testing import FrozenClock
from tests.support.gate import Gate
from tests.support.ledger import Ledger

WAIT_SECONDS = 60


def eventually(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


class Staying:
    """A worker that stays, in a thread; its work settles whatever is due, as a real one would."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.bell, self.said = engine, Wakeup(), list[str]()
        self.worked = self.settled = 0
        self.failures: list[Exception] = []
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            dispatcher(self.engine).run(self.work, self.bell, self.said.append)
        except BaseException as error:
            self.error = error

    def work(self) -> None:
        try:
            self._settle_what_is_due()
        finally:
            self.worked += 1

    def _settle_what_is_due(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        with session_scope(self.engine) as session:
            for table in (DELIVERY, NOTICE):
                due = table.c.state.in_(sorted(DUE)) & (table.c.due_at <= SystemClock().now())
                ids = session.execute(select(table.c.id).where(due).with_for_update(skip_locked=True)).scalars().all()
                session.execute(update(table).where(table.c.id.in_(ids)).values(state=State.ACCEPTED.value))
                self.settled += len(ids)

    def __enter__(self) -> "Staying":
        self._thread.start()
        eventually(lambda: self.worked or self.error)
        return self

    def __exit__(self, *_: object) -> None:
        self.bell.stop()
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()


def dispatcher(engine: Engine) -> Dispatcher:
    works = App(None, engine, SystemClock())  # type: ignore[arg-type] - settings are not asked
    return works.dispatcher


@contextmanager
def slow_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the queue wakes: a look that nobody announced would come after the test has failed."""
    with monkeypatch.context() as patch:
        patch.setattr("digest.delivery.wakeup.queue.LOOK_EVERY_WHEN_WOKEN", WAIT_SECONDS * 10.0)
        yield


@pytest.fixture
def queue_engine(engine: Engine) -> Engine:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no queue")
    return engine


def jobs(engine: Engine) -> list[Any]:
    if engine.dialect.name != "postgresql":
        return []
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT queueing_lock, args, status FROM procrastinate_jobs ORDER BY 1")))


def notice(engine: Engine, key: str, *, seconds: float = 0, announced: bool = True) -> None:
    moment = SystemClock().now() + timedelta(seconds=seconds)
    told = dispatcher(engine)
    with session_scope(engine) as session:
        if announced:
            told.announce(session, None)
        promise(session, "goodbye", key, address="a@example.org", language="en", now=moment)


def test_each_database_has_its_dispatcher(engine: Engine) -> None:
    kind = QueueDispatcher if engine.dialect.name == "postgresql" else LocalDispatcher
    assert type(dispatcher(engine)) is kind


def test_a_transaction_that_is_rolled_back_announces_nothing(engine: Engine) -> None:
    told = dispatcher(engine)
    with suppress(ZeroDivisionError), session_scope(engine) as session:
        told.announce(session, 21)
        session.execute(text("SELECT 1"))
        raise ZeroDivisionError
    assert jobs(engine) == []


def test_a_session_after_a_rollback_announces_nothing_of_before(queue_engine: Engine) -> None:
    told = dispatcher(queue_engine)
    with session_scope(queue_engine) as session:
        told.announce(session, 20)
        session.execute(text("SELECT 1"))
        session.rollback()
        told.announce(session, 21)
    assert [job.queueing_lock for job in jobs(queue_engine)] == ["issue 21"]


def test_a_commit_leaves_one_job_an_issue_however_often_told(queue_engine: Engine) -> None:
    for _ in range(3):
        told = dispatcher(queue_engine)
        with session_scope(queue_engine) as session:
            for number in (21, None, 21, 22, None):
                told.announce(session, number)
    assert [(job.queueing_lock, job.args, job.status) for job in jobs(queue_engine)] == [
        ("issue 21", {"issue": 21}, "todo"),
        ("issue 22", {"issue": 22}, "todo"),
        ("notices", {"issue": None}, "todo"),
    ]


def test_a_second_announcer_that_saw_no_job_loses_nothing(
    queue_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice(queue_engine, "first")
    # as if the job had been put there between the question and the answer
    monkeypatch.setattr("digest.delivery.wakeup.queue._WAITING", text("SELECT 1 WHERE CAST(:lock AS text) IS NULL"))
    notice(queue_engine, "second")
    assert len(jobs(queue_engine)) == 1
    with queue_engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(NOTICE)).scalar_one() == 2


def test_announcers_at_once_leave_one_job_and_all_their_rows(queue_engine: Engine) -> None:
    ready = threading.Barrier(8)
    failures: list[BaseException] = []

    def announce(name: int) -> None:
        try:
            ready.wait(WAIT_SECONDS)
            for count in range(5):
                notice(queue_engine, f"{name}-{count}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=announce, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert failures == []
    assert len(jobs(queue_engine)) == 1
    with queue_engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(NOTICE)).scalar_one() == 40


def test_what_waits_when_a_worker_comes_is_done_at_once(engine: Engine) -> None:
    notice(engine, "waiting")
    with Staying(engine) as worker:
        eventually(lambda: worker.settled == 1)
    assert worker.error is None


def test_an_announcement_wakes_a_waiting_worker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_look(monkeypatch), Staying(engine) as worker:
        eventually(lambda: heard(engine, 1))
        notice(engine, "new")
        eventually(lambda: worker.settled == 1)
    assert jobs(engine) == []


def test_an_announcement_wakes_every_waiting_worker(queue_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: set[int] = set()
    ring = Wakeup.ring

    def noted(bell: Wakeup) -> None:
        rung.add(id(bell))
        ring(bell)

    monkeypatch.setattr(Wakeup, "ring", noted)
    with slow_look(monkeypatch), Staying(queue_engine) as one, Staying(queue_engine) as two:
        eventually(lambda: heard(queue_engine, 2))
        rung.clear()
        notice(queue_engine, "new")
        eventually(lambda: one.settled + two.settled == 1)
        eventually(lambda: rung == {id(one.bell), id(two.bell)})


def libpq(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def heard(engine: Engine, listeners: int) -> bool:
    """Whether so many workers listen; on SQLite nobody needs to."""
    if engine.dialect.name != "postgresql":
        return True
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'"
    )
    with engine.connect() as connection:
        return bool(connection.execute(query).scalar_one() >= listeners)


def test_a_lost_job_only_delays(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.delivery.wakeup.queue.LOOK_EVERY_WHEN_WOKEN", 1.0)
    with Staying(engine) as worker:
        notice(engine, "unannounced", announced=False)
        eventually(lambda: worker.settled == 1)


def test_what_is_put_off_is_done_when_it_is_due(engine: Engine) -> None:
    with Staying(engine) as worker:
        notice(engine, "later", seconds=2)
        eventually(lambda: worker.settled == 1)


def test_a_job_with_nothing_due_is_taken_off_and_wakes_nobody(
    queue_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = dispatcher(queue_engine)
    with slow_look(monkeypatch), Staying(queue_engine) as worker:
        eventually(lambda: heard(queue_engine, 1))
        for number in (21, 4711, None):
            with session_scope(queue_engine) as session:
                told.announce(session, number)
            eventually(lambda: jobs(queue_engine) == [])
        assert worker.worked == 1


def test_a_job_left_by_a_killed_worker_is_removed(queue_engine: Engine) -> None:
    notice(queue_engine, "in the job")
    with queue_engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    notice(queue_engine, "after the kill")
    assert [job.status for job in jobs(queue_engine)] == ["doing", "todo"]
    with Staying(queue_engine) as worker:
        eventually(lambda: worker.settled == 2)
        eventually(lambda: jobs(queue_engine) == [])


def test_two_workers_at_once_do_each_thing_once(engine: Engine) -> None:
    with Staying(engine) as one, Staying(engine) as two:
        for number in range(20):
            notice(engine, f"number {number}")
        eventually(lambda: one.settled + two.settled >= 20)
    assert one.settled + two.settled == 20


def test_stopping_ends_the_waiting_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.delivery.wakeup.local.LOOK_EVERY", WAIT_SECONDS * 10.0)
    with slow_look(monkeypatch), Staying(engine) as worker:
        eventually(lambda: heard(engine, 1))
    assert worker.error is None


def test_stopping_while_it_still_connects_leaves_nothing_running(queue_engine: Engine) -> None:
    before = set(threading.enumerate())
    for _ in range(5):
        with Staying(queue_engine):
            pass
    assert set(threading.enumerate()) == before


def test_the_outlook_of_one_issue_knows_nothing_of_others(ledger: Ledger) -> None:
    ledger.planned(1)
    with session_scope(ledger.engine, read_only=True) as session:
        assert outlook(session, only=22) == Outlook(None, started=False)
        assert outlook(session, only=21) == outlook(session) == Outlook(ledger.now, started=False)
    ledger.change_issue(held=True)
    with session_scope(ledger.engine, read_only=True) as session:
        assert outlook(session) == Outlook(None, started=False)


def test_what_a_dead_worker_left_started_is_looked_after(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.delivery.wakeup.polling.LOOK_AFTER_THE_DEAD", 0.0)
    ledger.planned(1)
    ledger.worker()
    ledger.take()
    with Staying(ledger.engine) as worker:
        eventually(lambda: worker.worked >= 2)  # the work recovers; nothing is due


def test_a_relay_that_is_away_is_waited_for_and_told_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.delivery.wakeup.local._PAUSES", (0.01,))
    worker = Staying(engine)
    worker.failures = [RelayUnreachableError("The relay does not answer.")] * 3
    notice(engine, "waits for the relay")
    with worker:
        eventually(lambda: worker.settled == 1)
        eventually(lambda: len(worker.said) == 2)
    assert worker.said == ["The relay does not answer. Waiting until it answers.", "The database answers again."]


def test_a_failure_that_waiting_does_not_mend_ends_the_staying(engine: Engine) -> None:
    worker = Staying(engine)
    worker.failures = [ZeroDivisionError()]
    with worker:
        eventually(lambda: worker.error is not None)
    assert isinstance(worker.error, ZeroDivisionError)


def test_a_database_that_is_away_is_waited_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.delivery.wakeup.local._PAUSES", (0.01,))
    away = threading.Event()

    def refuse(connection: Connection, *_: Any) -> None:
        if away.is_set() and connection.engine.url == engine.url:
            raise OperationalError("", None, Exception("the server closed the connection"))

    event.listen(engine, "before_cursor_execute", refuse)
    with Staying(engine) as worker:
        away.set()
        eventually(lambda: worker.said)
        away.clear()
        notice(engine, "after the night")
        eventually(lambda: worker.settled == 1)
        eventually(lambda: len(worker.said) == 2)
    assert worker.said[0].startswith("The database failed: the server closed the connection.")
    assert worker.said[1:] == ["The database answers again."]


def test_a_queue_whose_connections_are_cut_is_heard_again(
    queue_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_look(monkeypatch), Staying(queue_engine) as worker:
        eventually(lambda: heard(queue_engine, 1))
        cut = text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        aside = make_engine(queue_engine.url.render_as_string(hide_password=False))
        with aside.connect() as connection:
            assert connection.execute(cut).scalar_one() >= 2
        aside.dispose()
        eventually(lambda: heard(queue_engine, 1))
        notice(queue_engine, "after the cut")
        eventually(lambda: worker.settled == 1)
    assert worker.error is None


def test_a_queue_that_was_away_for_a_moment_is_heard_again(queue_engine: Engine) -> None:
    with Gate(queue_engine.url.render_as_string(hide_password=False)) as gate, Listener(libpq(gate.url), Wakeup()):
        eventually(lambda: heard(queue_engine, 1))
        gate.shut()
        eventually(lambda: not heard(queue_engine, 1))
        time.sleep(1)  # long enough for procrastinate's own try to connect anew, which it makes once
        gate.open()
        eventually(lambda: heard(queue_engine, 1))


def test_without_the_queues_tables_it_warns_once_and_looks(
    queue_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with queue_engine.begin() as connection:
        connection.execute(text("DROP TABLE procrastinate_jobs CASCADE"))
    told = dispatcher(queue_engine)
    for key in ("one", "two"):
        with session_scope(queue_engine) as session:
            told.announce(session, None)
            promise(session, "goodbye", key, address="a@example.org", language="en", now=SystemClock().now())
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "digest db upgrade" in warnings[0]
    with Staying(queue_engine) as worker:
        eventually(lambda: worker.settled == 2)
    assert "digest db upgrade" in worker.said[0]


def test_a_queue_that_takes_no_job_does_not_fail_the_transaction(
    queue_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with queue_engine.begin() as connection:
        connection.execute(text("DROP FUNCTION procrastinate_defer_jobs_v1"))
    notice(queue_engine, "kept")
    assert "procrastinate_defer_jobs_v1" in caplog.text
    with queue_engine.connect() as connection:
        assert connection.execute(select(NOTICE.c.key)).scalars().all() == ["kept"]


def test_nobody_is_woken_before_the_rows_can_be_seen(queue_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    told = dispatcher(queue_engine)
    with slow_look(monkeypatch), Staying(queue_engine) as worker:
        eventually(lambda: heard(queue_engine, 1))
        with session_scope(queue_engine) as session:
            told.announce(session, None)
            promise(session, "goodbye", "slow", address="a@example.org", language="en", now=SystemClock().now())
            assert jobs(queue_engine) == []
            assert worker.worked == 1
        eventually(lambda: worker.settled == 1)


def test_nobody_signs_on_as_a_worker_by_waiting(engine: Engine) -> None:
    with Staying(engine), engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(WORKER)).scalar_one() == 0


def test_a_worker_that_begins_to_stay_waits_for_the_database(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("a file does not go away")
    failures = iter(range(2))
    said: list[str] = []
    bell = Wakeup()

    def broken(*_: object) -> None:
        if next(failures, None) is not None:
            raise OperationalError("SELECT", {}, Exception("the server closed the connection"))

    event.listen(engine, "engine_connect", broken)
    QueueDispatcher(engine, SystemClock()).run(bell.stop, bell, said.append)
    event.remove(engine, "engine_connect", broken)
    assert [line for line in said if "Waiting" in line or "again" in line] == [
        "The database failed: the server closed the connection. Waiting until it answers.",
        "The database answers again.",
    ]


class PatientBell(Wakeup):
    """Waits on a clock of the test, for ten minutes in all."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, seconds: float) -> bool:
        self._clock.move(seconds=max(seconds, 0.1))
        if self._clock.monotonic() > 600:
            self.stop()
        return False


def test_what_is_due_and_may_not_go_is_not_tried_every_second(engine: Engine) -> None:
    clock, worked = FrozenClock(SystemClock().now()), list[float]()
    bell = PatientBell(clock)
    LocalDispatcher(engine, clock).run(lambda: worked.append(clock.monotonic()), bell, print)
    assert len(worked) == 1, "nothing is due"
    notice(engine, "blocked", announced=False)
    clock, worked = FrozenClock(SystemClock().now()), []
    bell = PatientBell(clock)
    LocalDispatcher(engine, clock).run(lambda: worked.append(clock.monotonic()), bell, print)
    assert 20 < len(worked) < 30
    assert worked[1] - worked[0] < 2, "it may have become due just now"
    assert worked[-1] - worked[-2] < 32
