"""Recovering: what a dead worker started becomes uncertain and goes to nobody; a living one's is left alone."""

from pathlib import Path

from digest.outbox.operations import finish
from digest.outbox.recover import resolve_by_evidence
from digest.outbox.states import State
from digest.outbox.store import is_sending
from digest.outbox.workers import WorkerLock, beat, lives, sign_off
from digest.runtime.db import session_scope
from tests.support.ledger import HOST, Ledger


def test_a_dead_workers_deliveries_become_uncertain_by_reason(ledger: Ledger) -> None:
    ledger.planned(2)
    ledger.worker(host="elsewhere")
    taken = ledger.take()
    ledger.silence("w1", 61)
    assert ledger.recover() == 2
    assert ledger.counts() == {"uncertain": 2}
    assert "ended before it saved the answer" in ledger.delivery(taken[0].id).reason
    assert "elsewhere" in ledger.delivery(taken[0].id).reason
    assert {row.outcome for row in ledger.attempts()} == {"uncertain"}
    assert ledger.take(worker="w2") == []
    assert ledger.recover() == 0


def test_a_fresh_heartbeat_elsewhere_keeps_a_workers_deliveries(ledger: Ledger) -> None:
    ledger.planned(1)
    ledger.worker(host="elsewhere")
    ledger.take()
    ledger.silence("w1", 50)
    assert ledger.recover() == 0
    ledger.silence("w1", 50)
    with session_scope(ledger.engine) as session:
        beat(session, "w1")
    assert ledger.recover() == 0
    assert ledger.counts() == {"started": 1}


def test_on_this_machine_the_lock_decides_not_the_heartbeat(ledger: Ledger) -> None:
    ledger.planned(1)
    lock = WorkerLock(ledger.witness.folder, "w1")
    lock.acquire()
    ledger.worker()
    ledger.take()
    ledger.silence("w1", 10_000)
    assert ledger.recover() == 0
    lock.release(clean=False)  # what a kill leaves: the file, unlocked
    with session_scope(ledger.engine) as session:
        beat(session, "w1")
    assert ledger.recover() == 1


def test_without_a_lock_file_here_the_heartbeat_decides(ledger: Ledger) -> None:
    ledger.planned(1)
    ledger.worker()
    ledger.take()
    assert ledger.recover() == 0
    ledger.silence("w1", 61)
    assert ledger.recover() == 1


def test_a_worker_that_signed_off_or_never_signed_on_is_dead(ledger: Ledger) -> None:
    ledger.planned(2)
    ledger.worker("w1")
    ledger.take(limit=1, worker="w1")
    ledger.take(limit=1, worker="unknown")
    with session_scope(ledger.engine) as session:
        assert lives(session, "w1", ledger.witness)
        assert not lives(session, "unknown", ledger.witness)
        assert not lives(session, None, ledger.witness)
        sign_off(session, "w1", ledger.now)
    assert ledger.recover() == 2


def test_an_error_frees_the_lock_file_and_a_clean_end_removes_it(tmp_path: Path) -> None:
    for worker, clean in (("w1", False), ("w2", True)):
        lock = WorkerLock(tmp_path, worker)
        lock.acquire()
        lock.release(clean=clean)
    assert [path.name for path in tmp_path.iterdir()] == ["w1.lock"]


def test_a_late_answer_of_a_worker_believed_dead_resolves_it(ledger: Ledger) -> None:
    ledger.planned(2)
    ledger.worker(host="elsewhere")
    accepted, stopped = ledger.take()
    ledger.silence("w1", 61)
    ledger.recover()
    assert ledger.settle([accepted], State.ACCEPTED) == 1
    assert ledger.give_back([stopped]) == 0
    assert ledger.counts() == {"accepted": 1, "uncertain": 1}


def test_evidence_resolves_only_what_its_own_transport_sent(ledger: Ledger) -> None:
    ledger.planned(4)
    found, lost, unknown = ledger.take(limit=3, relay="maildir:here")
    (other,) = ledger.take(relay="smtp")
    ledger.recover()
    answers = {found.id: True, lost.id: False, unknown.id: None, other.id: False}
    evidence = {one.envelope_id: answers[one.id] for one in (found, lost, unknown, other)}
    with session_scope(ledger.engine) as session:
        assert resolve_by_evidence(session, "maildir:here", evidence.__getitem__, ledger.now, HOST) == 2
    states = {row.id: row.state for row in ledger.deliveries()}
    assert states == {found.id: "accepted", lost.id: "pending", unknown.id: "uncertain", other.id: "uncertain"}
    assert ledger.delivery(lost.id).reason


def test_the_machines_name_is_part_of_the_question(ledger: Ledger) -> None:
    ledger.worker("w1", host=HOST)
    ledger.witness.folder.mkdir()
    (ledger.witness.folder / "w1.lock").touch()
    with session_scope(ledger.engine) as session:
        assert not lives(session, "w1", ledger.witness)
        elsewhere = type(ledger.witness)("another", ledger.witness.folder)
        assert lives(session, "w1", elsewhere)


def test_a_late_deferral_reopens_an_issue_that_counts_as_sent(ledger: Ledger) -> None:
    ledger.planned(1)
    ledger.worker(host="elsewhere")
    taken = ledger.take()
    ledger.silence("w1", 61)
    ledger.recover()
    with session_scope(ledger.engine) as session:
        assert finish(session, ledger.issue_id, ledger.now)
    assert ledger.settle(taken, State.DEFERRED, due_at=ledger.now) == 1
    assert len(ledger.take(worker="w2")) == 1  # else nobody would ever try it again


def test_a_late_answer_that_ends_it_leaves_an_issue_sent(ledger: Ledger) -> None:
    ledger.planned(1)
    ledger.worker(host="elsewhere")
    taken = ledger.take()
    ledger.silence("w1", 61)
    ledger.recover()
    with session_scope(ledger.engine) as session:
        assert finish(session, ledger.issue_id, ledger.now)
    assert ledger.settle(taken, State.ACCEPTED) == 1
    assert ledger.settle(taken, State.DEFERRED, due_at=ledger.now) == 0
    with session_scope(ledger.engine, read_only=True) as session:
        assert not is_sending(session, ledger.issue_id)


def test_a_maildir_here_says_nothing_about_a_worker_elsewhere(ledger: Ledger) -> None:
    """Its disk may have a Maildir at the same path; and who was only silent may still write."""
    ledger.planned(2)
    ledger.worker(host="elsewhere")
    found, missing = ledger.take(relay="maildir:/mail")
    ledger.silence("w1", 61)
    ledger.recover()
    evidence = {found.envelope_id: True, missing.envelope_id: False}
    with session_scope(ledger.engine) as session:
        assert resolve_by_evidence(session, "maildir:/mail", evidence.__getitem__, ledger.now, HOST) == 1
    assert ledger.counts() == {"accepted": 1, "uncertain": 1}
