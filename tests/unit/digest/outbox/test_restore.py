"""After a restore nothing goes out by itself, and all that may have gone out since can be resolved; on both databases."""

from datetime import timedelta

from sqlalchemy import select, text, update
from sqlmodel import Session

from digest.accounts import review_links, sessions
from digest.accounts.models import DeskSession, ReviewLink
from digest.outbox import breaker, operations
from digest.outbox.notices import promise, take_notices
from digest.outbox.restore import RESTORED, UNKNOWN, Aftermath, settle_down
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, NOTICE
from digest.outbox.take import Taker
from digest.outbox.uncertain import uncertain
from digest.runtime.db import session_scope
from tests.support.ledger import Ledger


def settled_down(ledger: Ledger, hours: float = 2) -> Aftermath:
    with session_scope(ledger.engine) as session:
        return settle_down(session, ledger.now + timedelta(hours=hours))


def states(session: Session) -> list[tuple[str, str]]:
    return [(row.state, row.reason) for row in session.execute(select(DELIVERY).order_by(DELIVERY.c.id))]


def mixed(ledger: Ledger) -> None:
    """One accepted, one deferred, one on the wire, one uncertain, one pending."""
    ledger.planned(5)
    accepted, deferred, _on_the_wire, doubtful = ledger.take(limit=4)
    ledger.settle([accepted], State.ACCEPTED)
    ledger.settle([deferred], State.DEFERRED)
    ledger.settle([doubtful], State.UNCERTAIN, reason="as it was")


def test_all_that_was_open_is_uncertain_and_the_issue_held(ledger: Ledger) -> None:
    mixed(ledger)
    aftermath = settled_down(ledger)
    assert (aftermath.held, aftermath.uncertain, aftermath.known_until) == ((21,), 4, ledger.now)
    with session_scope(ledger.engine) as session:
        found = states(session)
        assert session.execute(select(ISSUE.c.held)).scalar_one()
        # no attempt is without an end: nothing looks as if it were on the wire
        assert not session.execute(select(ATTEMPT.c.id).where(ATTEMPT.c.outcome.is_(None))).all()
    assert sorted(found) == sorted([("accepted", ""), *[("uncertain", UNKNOWN)] * 4])


def test_nothing_is_taken_before_and_after_the_release(ledger: Ledger) -> None:
    mixed(ledger)
    settled_down(ledger)
    assert ledger.take() == []
    with session_scope(ledger.engine) as session:
        breaker.release(session, ledger.issue_id, ledger.now)
    assert ledger.take() == []


def test_each_has_an_attempt_that_may_be_of_any_time_since(ledger: Ledger) -> None:
    mixed(ledger)
    settled_down(ledger)
    with session_scope(ledger.engine) as session:
        doubtful = uncertain(session, ledger.issue_id)
    assert len({one.attempt_id for one in doubtful}) == 4
    for one in doubtful:
        assert one.worker_id == RESTORED
        assert one.relay == "test"  # the one way that was used so far
        assert (one.started_at, one.until) == (ledger.now, ledger.now + timedelta(hours=2))


def test_what_was_never_tried_counts_from_its_planning(ledger: Ledger) -> None:
    ledger.planned(1)
    assert settled_down(ledger).known_until is None
    with session_scope(ledger.engine) as session:
        [one] = uncertain(session, ledger.issue_id)
    assert (one.started_at, one.relay) == (ledger.now, "")


def test_a_person_may_send_one_again_but_not_at_once(ledger: Ledger) -> None:
    ledger.planned(1)
    settled_down(ledger, hours=-1)
    with session_scope(ledger.engine) as session:
        [one] = uncertain(session, ledger.issue_id)
        operations.resend(session, one.id, ledger.witness, ledger.now)
        breaker.release(session, ledger.issue_id, ledger.now)
    assert len(ledger.take()) == 1


def test_frozen_is_held_as_it_is_and_approved_is_a_draft(ledger: Ledger) -> None:
    ledger.planned(2)
    ledger.change_issue(state="frozen")
    aftermath = settled_down(ledger)
    assert (aftermath.held, aftermath.frozen, aftermath.uncertain) == ((21,), (21,), 0)
    ledger.change_issue(state="approved", approved_hash="h", approved_by="Ada", approved_manifest={"a": "b"})
    assert settled_down(ledger).drafts == (21,)
    with session_scope(ledger.engine) as session:
        row = session.execute(select(ISSUE)).one()
    assert (row.state, row.approved_hash, row.approved_by) == ("draft", None, None)


def test_an_issue_that_was_sent_keeps_what_is_certain(ledger: Ledger) -> None:
    mixed(ledger)
    ledger.change_issue(state="sent")
    with session_scope(ledger.engine) as session:
        session.execute(update(DELIVERY).where(DELIVERY.c.state != "uncertain").values(state="accepted"))
    aftermath = settled_down(ledger)
    assert (aftermath.held, aftermath.uncertain) == ((), 1)


def test_notices_are_not_repeated_either(ledger: Ledger) -> None:
    with session_scope(ledger.engine) as session:
        for key in ("one", "two"):
            promise(session, "goodbye", key, address="a@example.org", language="en", now=ledger.now)
    with session_scope(ledger.engine) as session:
        take_notices(session, Taker("w1", "test"), limit=1, now=ledger.now)
    assert settled_down(ledger).notices == 2
    with session_scope(ledger.engine) as session:
        assert take_notices(session, Taker("w1", "test"), limit=9, now=ledger.now + timedelta(days=9)).started == ()
        assert set(session.execute(select(NOTICE.c.state)).scalars()) == {"uncertain"}
        assert len(uncertain(session)) == 2


def test_restoring_twice_is_harmless(ledger: Ledger) -> None:
    mixed(ledger)
    settled_down(ledger)
    assert settled_down(ledger, hours=3).uncertain == 4
    with session_scope(ledger.engine) as session:
        assert len(states(session)) == 5
        assert {one.until for one in uncertain(session)} == {ledger.now + timedelta(hours=3)}


def test_it_says_in_the_ledger_what_it_was(ledger: Ledger) -> None:
    """The sums add up, and foreign keys hold."""
    mixed(ledger)
    settled_down(ledger)
    with session_scope(ledger.engine) as session:
        orphans = text(
            "SELECT count(*) FROM delivery d LEFT JOIN attempt a ON a.id = d.attempt_id"
            " WHERE d.state <> 'pending' AND a.id IS NULL"
        )
        assert session.execute(orphans).scalar_one() == 0


def test_sessions_and_review_links_of_before_are_not_open_again(ledger: Ledger) -> None:
    with session_scope(ledger.engine) as session:
        sessions.begin(session, None, now=ledger.now, lasting=timedelta(hours=1), secret=b"secret")
        review_links.make(session, 21, "", "kim", now=ledger.now, lasting=timedelta(days=1), secret=b"secret")
        settle_down(session, ledger.now)
        assert session.execute(select(DeskSession)).all() == session.execute(select(ReviewLink)).all() == []
