"""Taking and settling: nothing on the wire that is not in the database, and only the owner of a delivery settles it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from digest.outbox.settle import Settlement, read_file, settle, write_file
from digest.outbox.states import Outcome, State
from digest.outbox.tables import Promised
from digest.outbox.take import started_by
from digest.runtime.db import session_scope
from subscribers.models import Suppression
from tests.support.ledger import Ledger


def test_a_take_starts_what_is_due_and_writes_each_an_attempt(ledger: Ledger) -> None:
    ledger.planned(3)
    taken = ledger.take(limit=2)
    assert ledger.counts() == {"started": 2, "pending": 1}
    attempts = {row.id: row for row in ledger.attempts()}
    for one in taken:
        row = ledger.delivery(one.id)
        assert (row.attempt_id, row.worker_id, row.attempts) == (one.attempt_id, "w1", 1)
        assert row.started_at == ledger.now
        assert (attempts[one.attempt_id].delivery_id, attempts[one.attempt_id].outcome) == (one.id, None)
        assert attempts[one.attempt_id].relay == "test"
    assert [one.reader.address for one in taken] == ["reader1@example.org", "reader2@example.org"]
    assert taken[0].edition_id == ledger.edition_id


def test_a_second_take_gets_the_rest_and_a_third_nothing(ledger: Ledger) -> None:
    ledger.planned(3)
    first, second = ledger.take(limit=2), ledger.take(limit=2, worker="w2")
    assert not {one.id for one in first} & {one.id for one in second}
    assert len(second) == 1
    assert ledger.window().exhausted


def test_nothing_is_taken_of_an_issue_held_or_not_sending(ledger: Ledger) -> None:
    ledger.planned(1)
    ledger.change_issue(held=True)
    assert ledger.take() == []
    ledger.change_issue(held=False)
    for state in ("frozen", "withdrawn", "sent", "draft"):
        ledger.change_issue(state=state)
        assert ledger.take() == []
    ledger.change_issue(state="sending")
    assert len(ledger.take()) == 1


def test_who_left_paused_or_was_suppressed_is_skipped_by_reason(ledger: Ledger) -> None:
    left, paused, suppressed, erased, stays = ledger.planned(5)
    ledger.change(left, state="unsubscribed")
    ledger.change(paused, paused_until=ledger.now + timedelta(days=1))
    ledger.change(erased, state="erased", address="", address_key=None)
    with session_scope(ledger.engine) as session:
        session.add(Suppression(key="key3", reason="complaint", created_at=ledger.now))
    window = ledger.window()
    assert (len(window.started), window.skipped, window.exhausted) == (1, 4, False)
    reasons = {row.subscriber_id: row.reason for row in ledger.deliveries() if row.state == "skipped"}
    assert reasons == {left: "unsubscribed", paused: "paused", suppressed: "suppressed", erased: "erased"}
    assert window.started[0].id == next(row.id for row in ledger.deliveries() if row.subscriber_id == stays)
    assert len(ledger.attempts()) == 1


def test_a_window_of_people_who_all_left_is_not_the_end(ledger: Ledger) -> None:
    people = ledger.planned(3)
    for person in people[:2]:
        ledger.change(person, state="unsubscribed")
    assert not ledger.window(limit=2).exhausted
    assert len(ledger.window(limit=2).started) == 1


def test_what_is_deferred_is_taken_again_only_when_it_is_due(ledger: Ledger) -> None:
    ledger.planned(1)
    (first,) = ledger.take()
    due = ledger.now + timedelta(minutes=5)
    ledger.settle([first], State.DEFERRED, due_at=due, reason="greylisted")
    assert ledger.take() == []
    start, ledger.now = ledger.now, due
    (second,) = ledger.take()
    assert second.attempt_id != first.attempt_id
    assert (first.tries, second.tries) == (1, 2)
    assert second.first_try == start
    assert ledger.delivery(second.id).attempts == 2


def test_an_attempt_ended_before_the_envelope_counts_for_nothing(ledger: Ledger) -> None:
    ledger.planned(1)
    ledger.give_back(ledger.take())
    ledger.now += timedelta(days=4)
    (again,) = ledger.take()
    assert (again.tries, again.first_try) == (1, ledger.now)
    assert ledger.delivery(again.id).attempts == 2


def test_settling_writes_the_state_and_the_servers_words(ledger: Ledger) -> None:
    ledger.planned(1)
    taken = ledger.take()
    fields: dict[str, Any] = {"code": 550, "enhanced": "5.1.1", "reply": "no such user", "relay": "mx:25"}
    assert ledger.settle(taken, State.REJECTED, reason="mailbox unknown", **fields) == 1
    row, (attempt,) = ledger.delivery(taken[0].id), ledger.attempts()
    assert (row.state, row.reason, row.settled_at) == ("rejected", "mailbox unknown", ledger.now)
    assert (attempt.outcome, attempt.code, attempt.enhanced) == ("rejected", 550, "5.1.1")
    assert (attempt.reply, attempt.relay, attempt.ended_at) == ("no such user", "mx:25", ledger.now)


def test_settling_twice_changes_nothing_the_second_time(ledger: Ledger) -> None:
    ledger.planned(2)
    taken = ledger.take()
    assert ledger.settle(taken, State.ACCEPTED) == 2
    assert ledger.settle(taken, State.ACCEPTED) == 0
    assert ledger.counts() == {"accepted": 2}


def test_an_attempt_that_lost_its_delivery_only_leaves_evidence(ledger: Ledger) -> None:
    ledger.planned(1)
    old = ledger.take()
    ledger.give_back(old)
    new = ledger.take(worker="w2")
    assert ledger.settle(old, State.REJECTED) == 0
    assert ledger.counts() == {"started": 1}
    assert {row.id: row.outcome for row in ledger.attempts()} == {
        old[0].attempt_id: "rejected",
        new[0].attempt_id: None,
    }
    assert ledger.settle(new, State.ACCEPTED) == 1


def test_not_sent_gives_back_the_started_but_never_the_uncertain(ledger: Ledger) -> None:
    ledger.planned(2)
    first, second = ledger.take()
    ledger.settle([second], State.UNCERTAIN)
    assert ledger.give_back([first, second]) == 1
    assert ledger.delivery(first.id).state == "pending"
    assert ledger.delivery(second.id).state == "uncertain"


def test_what_comes_back_after_a_withdrawal_is_cancelled(ledger: Ledger) -> None:
    ledger.planned(3)
    back, put_off, accepted = ledger.take()
    ledger.change_issue(state="withdrawn")
    ledger.give_back([back])
    ledger.settle([put_off], State.DEFERRED, due_at=ledger.now)
    ledger.settle([accepted], State.ACCEPTED)
    assert ledger.counts() == {"cancelled": 2, "accepted": 1}
    assert ledger.delivery(back.id).reason == "the issue was withdrawn"


def test_many_settlements_of_different_kinds_go_in_one_call(ledger: Ledger) -> None:
    ledger.planned(4)
    taken = ledger.take()
    states = [State.ACCEPTED, State.REJECTED, State.UNCERTAIN, State.PENDING]
    outcomes = [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNCERTAIN, Outcome.NOT_SENT]
    settlements = [
        Settlement(one.promised, one.id, one.attempt_id, state, outcome, ledger.now)
        for one, state, outcome in zip(taken, states, outcomes, strict=True)
    ]
    with session_scope(ledger.engine) as session:
        assert settle(session, settlements) == 4
        assert settle(session, []) == 0
    assert ledger.counts() == {"accepted": 1, "rejected": 1, "uncertain": 1, "pending": 1}


def test_outcomes_survive_in_a_file_and_are_settled_from_it(ledger: Ledger, tmp_path: Path) -> None:
    ledger.planned(1)
    (one,) = ledger.take()
    kept = [
        Settlement(one.promised, one.id, one.attempt_id, State.ACCEPTED, Outcome.ACCEPTED, ledger.now, reply="안녕")
    ]
    write_file(tmp_path / "w1.json", kept)
    assert read_file(tmp_path / "w1.json") == kept
    assert (tmp_path / "w1.json").stat().st_mode & 0o777 == 0o600  # a server's words may name the reader
    with session_scope(ledger.engine) as session:
        settle(session, read_file(tmp_path / "w1.json"))
    assert ledger.counts() == {"accepted": 1}
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []


def test_a_worker_can_ask_what_was_started_in_its_name(ledger: Ledger) -> None:
    ledger.planned(2)
    (mine,) = ledger.take(limit=1)
    ledger.take(limit=1, worker="w2")
    with session_scope(ledger.engine) as session:
        found = started_by(session, "w1")
    assert found == {Promised.DELIVERY: [(mine.id, mine.attempt_id)], Promised.NOTICE: []}


def test_a_take_finds_due_deliveries_by_the_partial_index(ledger: Ledger) -> None:
    ledger.planned(1)
    statements: list[tuple[str, Any]] = []

    def listen(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", listen)
    ledger.take()
    event.remove(ledger.engine, "before_cursor_execute", listen)
    statement, parameters = next(found for found in statements if "FROM delivery" in found[0] and "LIMIT" in found[0])
    prefix = "EXPLAIN QUERY PLAN " if ledger.engine.dialect.name == "sqlite" else "EXPLAIN "
    with session_scope(ledger.engine) as session:
        connection = session.connection()
        if prefix == "EXPLAIN ":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = str(connection.exec_driver_sql(prefix + statement, parameters).all())
    assert "ix_delivery_due" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
