"""Which answers hold an issue, counted over all workers."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from digest.outbox import breaker
from digest.outbox.breaker import BreakerLimits
from digest.outbox.settle import Settlement
from digest.outbox.states import State
from digest.outbox.tables import BREAKER, ISSUE
from digest.outbox.take import Taken
from digest.runtime.db import session_scope
from tests.support.ledger import Ledger

US, MAILBOX, FINE, LATER = "us", "mailbox", "fine", "later"
STATES = {US: State.DEFERRED, MAILBOX: State.REJECTED, FINE: State.ACCEPTED, LATER: State.DEFERRED}


def answer(ledger: Ledger, taken: Iterable[Taken], *kinds: str, limits: BreakerLimits = BreakerLimits()) -> None:
    """Settle each attempt by one kind of answer, in one transaction."""
    settlements = [
        Settlement(
            *(one.promised, one.id, one.attempt_id, STATES[kind], STATES[kind].value, ledger.now),
            due_at=ledger.now + timedelta(minutes=5),
            code=550,
            reply="5.7.1 Unable to relay",
            relay="mail.example:25",
            about_us="Log in" if kind == US else "",
        )
        for one, kind in zip(taken, kinds, strict=True)
    ]
    with session_scope(ledger.engine) as session:
        breaker.settle(session, settlements, limits)


def held(ledger: Ledger) -> str | None:
    """Why the issue is held; None if it is not."""
    with ledger.engine.connect() as connection:
        row = connection.execute(ISSUE.select().where(ISSUE.c.id == ledger.issue_id)).one()
    assert bool(row.held_reason) == row.held
    return row.held_reason or None


def release(ledger: Ledger) -> bool:
    with session_scope(ledger.engine) as session:
        return breaker.release(session, ledger.issue_id, ledger.now)


@pytest.mark.parametrize(
    ("kinds", "trips"),
    [
        ([US] * 3, True),
        ([US] * 2, False),
        ([US, US, FINE, US, US], False),
        ([US, MAILBOX, US, LATER, US], True),
        ([LATER] * 5, False),
        ([MAILBOX] * 5, False),
    ],
)
def test_three_in_a_row_that_are_about_us(ledger: Ledger, kinds: list[str], *, trips: bool) -> None:
    ledger.planned(5)
    answer(ledger, ledger.take()[: len(kinds)], *kinds)
    assert bool(held(ledger)) is trips


def test_they_are_counted_over_workers_and_transactions(ledger: Ledger) -> None:
    ledger.planned(3)
    for worker in ("w1", "w2", "w3"):
        assert held(ledger) is None
        answer(ledger, ledger.take(limit=1, worker=worker), US)
    assert "550 5.7.1 Unable to relay" in str(held(ledger))
    assert "mail.example:25" in str(held(ledger))
    assert ledger.take() == []


def test_an_accepted_one_of_another_worker_ends_the_row(ledger: Ledger) -> None:
    ledger.planned(5)
    taken = ledger.take()
    for one, kind in zip(taken, [US, US, FINE, US, US], strict=True):
        answer(ledger, [one], kind)
    assert held(ledger) is None


def test_one_mailbox_asked_again_and_again_is_one(ledger: Ledger) -> None:
    ledger.planned(1)
    for _ in range(5):
        answer(ledger, ledger.take(), US)
        ledger.now += timedelta(hours=1)
    assert held(ledger) is None


def test_a_release_counts_anew_and_a_second_trip_holds_again(ledger: Ledger) -> None:
    ledger.planned(9)
    answer(ledger, ledger.take(limit=3), US, US, US)
    assert release(ledger)
    assert not release(ledger)
    answer(ledger, ledger.take(limit=2), US, US)
    assert held(ledger) is None
    answer(ledger, ledger.take(limit=1), US)
    assert held(ledger)


@pytest.mark.parametrize(("accepted", "rejected", "trips"), [(40, 10, False), (39, 11, True), (37, 12, False)])
def test_more_than_a_fifth_of_at_least_fifty_rejected(
    ledger: Ledger, accepted: int, rejected: int, *, trips: bool
) -> None:
    ledger.planned(accepted + rejected)
    taken = ledger.take(limit=100)
    answer(ledger, taken[:accepted], *[FINE] * accepted)
    answer(ledger, taken[accepted:], *[MAILBOX] * rejected)
    assert bool(held(ledger)) is trips


def test_the_share_is_of_what_was_answered_since_the_release(ledger: Ledger) -> None:
    limits = BreakerLimits(least=4)
    ledger.planned(12)
    taken = ledger.take()
    answer(ledger, taken[:4], FINE, FINE, MAILBOX, MAILBOX, limits=limits)
    assert "2 of 4 were rejected" in str(held(ledger))
    release(ledger)
    answer(ledger, taken[4:8], FINE, FINE, FINE, FINE, limits=limits)
    answer(ledger, taken[8:9], MAILBOX, limits=limits)
    assert held(ledger) is None


def test_what_is_accepted_writes_nothing(ledger: Ledger) -> None:
    ledger.planned(2)
    answer(ledger, ledger.take(), FINE, LATER)
    with ledger.engine.connect() as connection:
        assert connection.execute(BREAKER.select()).all() == []


def test_another_issue_goes_on(ledger: Ledger) -> None:
    ledger.planned(3)
    ledger.second_issue(22)
    answer(ledger, ledger.take(), US, US, US)
    with ledger.engine.connect() as connection:
        rows = connection.execute(ISSUE.select().order_by(ISSUE.c.number)).all()
    assert [row.held for row in rows] == [True, False]


def test_workers_in_trouble_and_a_release_do_not_deadlock(ledger: Ledger) -> None:
    ledger.planned(24)
    windows = [ledger.take(limit=4, worker=f"w{number}") for number in range(6)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(answer, ledger, window, US, LATER, MAILBOX, US) for window in windows]
        for future in [*answers, *(pool.submit(release, ledger) for _ in range(3))]:
            future.result()
    assert sum(ledger.counts().values()) == 24
