"""Two at once: whoever leaves, holds or withdraws first is heard by a take that had to wait for them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlmodel import Session

from digest.outbox import operations
from digest.outbox.settle import WITHDRAWN
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, ISSUE, SUBSCRIBER
from digest.outbox.take import Taker, take
from digest.runtime.db import session_scope
from subscribers import suppression
from subscribers.audience import exclusion_reason
from subscribers.models import Suppression
from tests.support.ledger import Ledger

DEADLINE_SECONDS = 30


class Alongside(threading.Thread):
    """Runs something in a thread of its own and hands over its result."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._outcome: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._outcome = self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self.join(DEADLINE_SECONDS)
        assert not self.is_alive()
        if self._error:
            raise self._error
        return self._outcome


@contextmanager
def first(ledger: Ledger, work: Callable[[Session], Any]) -> Iterator[Callable[[Alongside], None]]:
    """Do `work` and keep its transaction open; the yielded function waits until the other one waits for it."""
    with session_scope(ledger.engine) as session:
        work(session)

        def wait_until_waiting(other: Alongside) -> None:
            if ledger.engine.dialect.name == "sqlite":
                return  # BEGIN IMMEDIATE: it cannot even have begun
            end = time.monotonic() + DEADLINE_SECONDS
            query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while time.monotonic() < end and other.is_alive():
                with ledger.engine.connect() as connection:
                    if connection.execute(query).scalar_one():
                        return
                time.sleep(0.01)
            pytest.fail("the other one did not wait")

        yield wait_until_waiting


def leave(subscriber_id: int) -> Callable[[Session], Any]:
    statement = update(SUBSCRIBER).where(SUBSCRIBER.c.id == subscriber_id).values(state="unsubscribed")
    return lambda session: session.execute(statement)


def test_who_leaves_while_a_take_waits_for_them_is_not_started(ledger: Ledger) -> None:
    _, leaving, _ = ledger.planned(3)
    with first(ledger, leave(leaving)) as wait_until_waiting:
        taking = Alongside(ledger.window)
        wait_until_waiting(taking)
    window = taking.result()
    assert (len(window.started), window.skipped) == (2, 1)
    assert ledger.counts() == {"started": 2, "skipped": 1}


def test_a_suppression_that_comes_with_leaving_is_seen_after(ledger: Ledger) -> None:
    (person,) = ledger.planned(1)

    def complain(session: Session) -> None:
        session.execute(update(SUBSCRIBER).where(SUBSCRIBER.c.id == person).values(name="touched"))
        session.add(Suppression(key="key1", reason="complaint", created_at=ledger.now))
        session.flush()

    with first(ledger, complain) as wait_until_waiting:
        taking = Alongside(ledger.window)
        wait_until_waiting(taking)
    assert taking.result().skipped == 1
    assert ledger.deliveries()[0].reason == "suppressed"


def test_a_suppression_by_itself_is_heard_as_well(ledger: Ledger) -> None:
    _, unwanted, _ = ledger.planned(3)

    def suppress(session: Session) -> None:
        suppression.add(session, "key2", suppression.SuppressionReason.MANUAL, ledger.now, source="command")
        session.flush()

    with first(ledger, suppress) as wait_until_waiting:
        taking = Alongside(ledger.window)
        wait_until_waiting(taking)
    window = taking.result()
    assert (len(window.started), window.skipped) == (2, 1)
    (skipped,) = [row for row in ledger.deliveries() if row.state == "skipped"]
    assert (skipped.subscriber_id, skipped.reason) == (unwanted, "suppressed")


def test_a_suppression_waits_for_the_take_that_came_first(ledger: Ledger) -> None:
    ledger.planned(1)

    def suppress() -> None:
        with session_scope(ledger.engine) as session:
            suppression.add(session, "key1", suppression.SuppressionReason.MANUAL, ledger.now)

    def start(session: Session) -> None:
        taken = take(session, Taker("w1", ""), ledger.issue_id, exclusion_reason, limit=1, now=ledger.now)
        assert len(taken.started) == 1

    with first(ledger, start) as wait_until_waiting:
        suppressing = Alongside(suppress)
        wait_until_waiting(suppressing)  # whoever is told that it is done is told after the attempt began
    suppressing.result()
    assert ledger.counts() == {"started": 1}


def test_a_hold_that_came_first_is_heard(ledger: Ledger) -> None:
    ledger.planned(1)
    with first(ledger, lambda session: operations.hold(session, ledger.issue_id, "why")) as wait_until_waiting:
        taking = Alongside(ledger.take)
        wait_until_waiting(taking)
    assert taking.result() == []


def test_what_comes_back_to_a_withdrawn_issue_is_cancelled(ledger: Ledger) -> None:
    ledger.planned(2)
    taken = ledger.take(limit=1)

    def withdraw(session: Session) -> None:
        session.execute(update(ISSUE).where(ISSUE.c.id == ledger.issue_id).values(state="withdrawn"))
        operations.cancel(session, ledger.issue_id, ledger.now, reason=WITHDRAWN)

    with first(ledger, withdraw) as wait_until_waiting:
        settling = Alongside(lambda: ledger.give_back(taken))
        wait_until_waiting(settling)
    settling.result()
    assert ledger.counts() == {"cancelled": 2}


def test_two_takes_at_once_share_nothing(ledger: Ledger) -> None:
    ledger.planned(60)
    barrier = threading.Barrier(4)

    def take_all(worker: str) -> list[int]:
        barrier.wait(DEADLINE_SECONDS)
        mine = []
        while taken := ledger.take(limit=4, worker=worker):
            mine += [one.id for one in taken]
        return mine

    workers = [Alongside(lambda name=f"w{n}": take_all(name)) for n in range(4)]  # type: ignore[misc]
    everything = [of_id for worker in workers for of_id in worker.result()]
    assert len(everything) == len(set(everything)) == 60
    assert len(ledger.attempts()) == 60


def test_a_take_passes_over_what_another_has_locked(ledger: Ledger) -> None:
    ledger.planned(2)
    if ledger.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: there is nothing to pass over")
    lock = select(DELIVERY.c.id).where(DELIVERY.c.id == 1).with_for_update()
    with first(ledger, lambda session: session.execute(lock).all()):
        assert [one.id for one in Alongside(ledger.take).result()] == [2]


def test_two_freezes_at_once_plan_everybody_once(ledger: Ledger) -> None:
    for _ in range(30):
        ledger.reader()
    freezes = [Alongside(ledger.freeze) for _ in range(3)]
    results = [freeze.result() for freeze in freezes]
    assert {result.planned for result in results} == {30}
    assert sum(result.added for result in results) >= 30
    assert ledger.counts() == {State.PENDING.value: 30}
