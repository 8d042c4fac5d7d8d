"""What an operator may do, and what is refused because it could send something twice."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import Session

from digest.outbox import breaker, operations, store
from digest.outbox.operations import NoSuchDeliveryError, ResendRefusedError
from digest.outbox.settle import WITHDRAWN
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, ISSUE, move
from digest.outbox.workers import WorkerLock, sign_off
from digest.runtime.db import session_scope
from tests.support.ledger import Ledger


def test_hold_stops_takes_and_release_lets_them_go_on(ledger: Ledger) -> None:
    ledger.planned(1)
    with session_scope(ledger.engine) as session:
        assert operations.hold(session, ledger.issue_id, "why")
        assert not operations.hold(session, ledger.issue_id, "why")
        assert store.sending(session) == []
    assert ledger.take() == []
    with session_scope(ledger.engine) as session:
        assert breaker.release(session, ledger.issue_id, ledger.now)
        assert store.sending(session) == [ledger.issue_id]
    assert len(ledger.take()) == 1


def retry(session: Session, ledger: Ledger, state: State, ids: Sequence[int] | None = None) -> int:
    return operations.retry(session, ledger.issue_id, state, ledger.now, why="mended", ids=ids)


def test_retry_makes_the_deferred_due_at_once_and_nothing_else(ledger: Ledger) -> None:
    ledger.planned(4)
    first, second, third, fourth = ledger.take()
    later = ledger.now + timedelta(hours=4)
    ledger.settle([first, second], State.DEFERRED, due_at=later)
    ledger.settle([third], State.REJECTED)
    ledger.settle([fourth], State.UNCERTAIN)
    with session_scope(ledger.engine) as session:
        assert retry(session, ledger, State.DEFERRED, [first.id, third.id, fourth.id]) == 1
    assert [one.id for one in ledger.take()] == [first.id]
    with session_scope(ledger.engine) as session:
        assert retry(session, ledger, State.DEFERRED) == 1


def test_retry_takes_the_rejected_but_not_what_bounced_later(ledger: Ledger) -> None:
    ledger.planned(4)
    refused, reported, bounced, fine = ledger.take()
    ledger.settle([refused], State.REJECTED, reply="550 Unable to relay")
    ledger.settle([reported], State.UNCERTAIN)
    ledger.settle([reported], State.REJECTED, by_evidence=True)
    ledger.settle([bounced, fine], State.ACCEPTED)
    with session_scope(ledger.engine) as session:  # as a bounce from further on does
        session.execute(move(DELIVERY, State.REJECTED, {State.ACCEPTED}, DELIVERY.c.id == bounced.id))
    ledger.change_issue(state="sent", sent_at=ledger.now)
    with session_scope(ledger.engine) as session:
        assert retry(session, ledger, State.REJECTED) == 1
    assert ledger.counts() == {"pending": 1, "rejected": 2, "accepted": 1}
    (again,) = ledger.take(worker="w2")  # the issue is being sent again
    assert (again.id, again.envelope_id) == (refused.id, refused.envelope_id)
    assert [one.outcome for one in ledger.attempts() if one.delivery_id == refused.id] == ["rejected", None]


def test_a_retry_begins_the_patience_anew(ledger: Ledger) -> None:
    ledger.planned(1)
    ledger.settle(ledger.take(), State.DEFERRED, due_at=ledger.now)
    ledger.now += timedelta(days=4)
    taken = ledger.take()
    assert taken[0].tries == 2
    ledger.settle(taken, State.DEFERRED, due_at=ledger.now)
    ledger.now += timedelta(minutes=1)
    with session_scope(ledger.engine) as session:
        assert retry(session, ledger, State.DEFERRED) == 1
    (again,) = ledger.take()
    assert (again.tries, again.first_try) == (1, ledger.now)


def test_withdraw_cancels_what_was_not_started_and_keeps_others(ledger: Ledger) -> None:
    ledger.planned(4)
    accepted, put_off = ledger.take(limit=2)
    ledger.settle([accepted], State.ACCEPTED)
    ledger.settle([put_off], State.DEFERRED, due_at=ledger.now + timedelta(hours=1))
    ledger.take(limit=1)
    ledger.change_issue(state="withdrawn")
    with session_scope(ledger.engine) as session:
        assert operations.cancel(session, ledger.issue_id, ledger.now, reason=WITHDRAWN) == 2
    assert ledger.counts() == {"accepted": 1, "started": 1, "cancelled": 2}


def test_cancelling_by_number_also_closes_what_is_uncertain(ledger: Ledger) -> None:
    ledger.planned(2)
    (one,) = ledger.take(limit=1)
    ledger.recover()
    with session_scope(ledger.engine) as session:
        assert operations.cancel(session, ledger.issue_id, ledger.now, reason="asked by phone", ids=[one.id]) == 1
    assert ledger.counts() == {"cancelled": 1, "pending": 1}
    assert ledger.delivery(one.id).reason == "asked by phone"


def test_a_person_may_resend_an_uncertain_one_after_15_minutes(ledger: Ledger) -> None:
    ledger.planned(1)
    (one,) = ledger.take()
    ledger.recover()
    ledger.change_issue(state="sent", sent_at=ledger.now)
    refuse_resend(ledger, one.id, "still be in progress")
    ledger.now += timedelta(minutes=15)
    with session_scope(ledger.engine) as session:
        operations.resend(session, one.id, ledger.witness, ledger.now)
    (again,) = ledger.take(worker="w2")
    assert (again.id, again.reader.ref) == (one.id, one.reader.ref)
    assert again.attempt_id != one.attempt_id


def refuse_resend(ledger: Ledger, delivery_id: int, words: str) -> None:
    with pytest.raises(ResendRefusedError, match=words), session_scope(ledger.engine) as session:
        operations.resend(session, delivery_id, ledger.witness, ledger.now)


def test_nothing_is_sent_again_while_its_worker_lives(ledger: Ledger) -> None:
    ledger.planned(1)
    lock = WorkerLock(ledger.witness.folder, "w1")
    lock.acquire()
    ledger.worker()
    taken = ledger.take()
    ledger.settle(taken, State.UNCERTAIN)
    ledger.now += timedelta(hours=1)
    refuse_resend(ledger, taken[0].id, "still be in progress")
    lock.release(clean=True)
    with session_scope(ledger.engine) as session:
        sign_off(session, "w1", ledger.now)
        operations.resend(session, taken[0].id, ledger.witness, ledger.now)
    assert ledger.counts() == {"pending": 1}


@pytest.mark.parametrize("state", [State.ACCEPTED, State.REJECTED, State.DEFERRED])
def test_what_is_not_uncertain_is_not_sent_again_by_hand(ledger: Ledger, state: State) -> None:
    ledger.planned(1)
    taken = ledger.take()
    ledger.settle(taken, state)
    ledger.now += timedelta(hours=1)
    refuse_resend(ledger, taken[0].id, f"is {state.value}")


def test_nothing_of_a_withdrawn_issue_is_sent_again(ledger: Ledger) -> None:
    ledger.planned(1)
    (one,) = ledger.take()
    ledger.recover()
    ledger.change_issue(state="withdrawn")
    ledger.now += timedelta(hours=1)
    refuse_resend(ledger, one.id, "withdrawn")


def test_an_unknown_number_is_named(ledger: Ledger) -> None:
    with session_scope(ledger.engine) as session:
        with pytest.raises(NoSuchDeliveryError, match="4711"):
            operations.resend(session, 4711, ledger.witness, ledger.now)
        with pytest.raises(NoSuchDeliveryError, match="4711"):
            store.show(session, 4711)


def test_an_issue_is_finished_when_nothing_is_left_to_do(ledger: Ledger) -> None:
    ledger.planned(3)
    first, second, third = ledger.take()
    ledger.settle([first], State.ACCEPTED)
    ledger.settle([second], State.DEFERRED, due_at=ledger.now)
    with session_scope(ledger.engine) as session:
        assert not operations.finish(session, ledger.issue_id, ledger.now)
    ledger.settle(ledger.take(), State.REJECTED)
    with session_scope(ledger.engine) as session:
        assert not operations.finish(session, ledger.issue_id, ledger.now)  # the third is still started
    ledger.settle([third], State.UNCERTAIN)
    with session_scope(ledger.engine) as session:
        assert operations.finish(session, ledger.issue_id, ledger.now)
        row = session.execute(ISSUE.select()).one()
        assert (row.state, row.sent_at) == ("sent", ledger.now)
        assert not operations.finish(session, ledger.issue_id, ledger.now)


@pytest.mark.parametrize(
    ("states", "ends"),
    [
        ([State.REJECTED, State.REJECTED], "held"),
        ([State.REJECTED, State.ACCEPTED], "sent"),
        ([State.REJECTED, State.UNCERTAIN], "sent"),
        ([State.EXPIRED, State.EXPIRED], "held"),
        ([State.SKIPPED, State.SKIPPED], "sent"),
        ([State.SKIPPED, State.REJECTED], "held"),
    ],
)
def test_an_issue_that_reached_nobody_is_held_not_sent(ledger: Ledger, states: list[State], ends: str) -> None:
    ledger.planned(2)
    with session_scope(ledger.engine) as session:
        for row, state in zip(ledger.take(), states, strict=True):
            session.execute(update(DELIVERY).where(DELIVERY.c.id == row.id).values(state=state, reason="550 no"))
    with session_scope(ledger.engine) as session:
        assert operations.finish(session, ledger.issue_id, ledger.now) is (ends == "sent")
    with session_scope(ledger.engine) as session:
        row = session.execute(select(ISSUE)).one()
        assert (row.state, row.held) == ("sending" if ends == "held" else "sent", ends == "held")
        assert ("550 no" in row.held_reason) == row.held


def test_an_operator_sees_each_delivery_with_its_attempts(ledger: Ledger) -> None:
    ledger.planned(3)
    first, second, _ = ledger.take()
    ledger.settle([first], State.DEFERRED, due_at=ledger.now, code=451, reply="later", reason="later")
    ledger.settle([second], State.ACCEPTED)
    ledger.settle(ledger.take(), State.REJECTED, code=550, reply="no")
    with session_scope(ledger.engine) as session:
        standing, attempts = store.show(session, first.id)
        everything = store.listing(session, ledger.issue_id)
        accepted = store.listing(session, ledger.issue_id, State.ACCEPTED)
        page = store.listing(session, ledger.issue_id, after=everything[0].id, limit=1)
        assert store.next_due(session, ledger.issue_id) is None
    assert (standing.state, standing.attempts, standing.number) == (State.REJECTED, 2, 21)
    assert sorted((a.outcome, a.code) for a in attempts) == [("deferred", 451), ("rejected", 550)]
    assert [row.id for row in accepted] == [second.id]
    assert [row.id for row in page] == [everything[1].id]
    assert [row.address for row in everything] == [f"reader{n}@example.org" for n in (1, 2, 3)]
