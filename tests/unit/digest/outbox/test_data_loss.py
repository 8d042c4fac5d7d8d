"""A database that lost what workers had committed: what the journals tell, what is held, and what only looks like it."""

from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.engine import make_url

from digest.outbox import journal as journals
from digest.outbox.data_loss import Loss, find_loss, settle_loss
from digest.outbox.journal import LAST, Journal, database_name, read_journal, retire_journal
from digest.outbox.restore import settle_down
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE
from digest.outbox.take import Taken
from digest.outbox.workers import WorkerLock
from digest.runtime.db import session_scope
from tests.support.ledger import HOST, Ledger

OURS = "this database"


class LostTake:
    """A dead worker that handed over two of three deliveries; the database knows nothing of the take."""

    def __init__(self, ledger: Ledger, database: str = OURS) -> None:
        self.ledger = ledger
        ledger.planned(4)
        self.folder = ledger.witness.folder
        self.lock = WorkerLock(self.folder, "w1")
        self.lock.acquire()
        self.path = self.folder / "w1.journal"
        self.journal = Journal(self.path, "w1", HOST, database)
        self.taken = ledger.take(3)
        for one in self.taken[:2]:
            self.journal.hand_over(one)
        self.lock.release(clean=False)

    def forget(self, *taken: Taken) -> None:
        """Put the database back to its state before these were taken."""
        with session_scope(self.ledger.engine) as session:
            session.execute(delete(ATTEMPT).where(ATTEMPT.c.id.in_([one.attempt_id for one in taken])))
            back = {"state": "pending", "attempts": 0, "attempt_id": None, "worker_id": None, "started_at": None}
            session.execute(update(DELIVERY).where(DELIVERY.c.id.in_([one.id for one in taken])).values(**back))

    def settled(self) -> Loss | None:
        with session_scope(self.ledger.engine) as session:
            return settle_loss(session, self.ledger.witness, OURS, self.ledger.now)

    def is_found(self) -> bool:
        with session_scope(self.ledger.engine, read_only=True) as session:
            return bool(find_loss(session, self.ledger.witness, OURS))

    @property
    def is_held(self) -> bool:
        with session_scope(self.ledger.engine, read_only=True) as session:
            return bool(session.execute(ISSUE.select()).one().held)


@pytest.fixture
def lost(ledger: Ledger) -> LostTake:
    return LostTake(ledger)


def test_what_was_handed_over_is_uncertain_and_the_issue_held(lost: LostTake) -> None:
    lost.forget(*lost.taken)
    loss = lost.settled()
    assert loss is not None
    assert (loss.held, loss.files, lost.is_held) == ((21,), (lost.path,), True)
    assert "lost all changes since" in loss.why
    alone = lost.ledger.engine.dialect.name == "sqlite"  # else a worker of another machine may have taken the others
    assert lost.ledger.counts() == ({"uncertain": 2, "pending": 2} if alone else {"uncertain": 4})
    assert "lost all changes" in lost.ledger.delivery(lost.taken[0].id).reason
    assert lost.settled() is None, "once is enough"
    assert lost.ledger.recover() == 0


def test_a_database_that_has_all_lost_nothing(lost: LostTake) -> None:
    assert lost.settled() is None
    lost.forget(lost.taken[2])  # never handed over: then its loss does no harm
    assert not lost.is_found()
    assert not lost.is_held


@pytest.mark.one_database
def test_a_journal_that_was_overwritten_leaves_all_in_doubt(lost: LostTake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SLOTS", 2)
    lost.forget(*lost.taken)
    assert lost.settled() is not None
    assert lost.ledger.counts() == {"uncertain": 4}


@pytest.mark.one_database
def test_the_mark_of_who_signed_off_leaves_all_in_doubt(lost: LostTake) -> None:
    retire_journal(lost.path)
    lost.forget(*lost.taken)
    loss = lost.settled()
    assert loss is not None
    assert loss.files == (lost.folder / LAST,)
    assert lost.ledger.counts() == {"uncertain": 4}


@pytest.mark.one_database
@pytest.mark.parametrize("state", ["draft", "approved", "frozen"])
def test_a_plan_that_was_lost_holds_its_issue_before_another(lost: LostTake, state: str) -> None:
    with session_scope(lost.ledger.engine) as session:
        for table in (ATTEMPT, DELIVERY):
            session.execute(delete(table))
    lost.ledger.change_issue(state=state)
    loss = lost.settled()
    assert loss is not None
    assert (loss.held, loss.uncertain, lost.is_held) == ((21,), 0, True)


@pytest.mark.one_database
@pytest.mark.parametrize("why", ["another database", "unreadable", "its worker lives", "restored since"])
def test_what_only_looks_like_a_loss_holds_nothing(ledger: Ledger, why: str) -> None:
    lost = LostTake(ledger, "another" if why == "another database" else OURS)
    lost.forget(*lost.taken)
    if why == "unreadable":
        lost.path.write_bytes(lost.path.read_bytes()[:-1])
    if why == "its worker lives":
        lost.lock.acquire()
    if why == "restored since":
        with session_scope(ledger.engine) as session:
            settle_down(session, ledger.now)
        ledger.change_issue(held=False)
    assert lost.settled() is None
    assert not lost.is_held
    lost.lock.release(clean=True)


def test_the_newest_journal_of_all_stays_as_the_mark(lost: LostTake) -> None:
    def another(name: str, *started: Taken) -> None:
        made = Journal(lost.folder / f"{name}.journal", name, HOST, OURS)
        for one in started:
            made.hand_over(one)
        retire_journal(made.path)

    def names() -> set[str]:
        mark = read_journal(lost.folder / LAST)
        return set(mark.attempts) if mark else set()

    first, second, third = lost.taken
    for started, expected in (((), []), ((second,), [second]), ((first,), [second]), ((third, first), [third, first])):
        another("w2", *started)
        assert names() == {one.attempt_id for one in expected}
    assert {path.name for path in lost.folder.iterdir()} == {"w1.lock", "w1.journal", LAST}


def test_a_databases_name_moves_with_the_workspace(tmp_path: Path) -> None:
    def name(url: str, workspace: str = "w") -> str:
        return database_name(make_url(url), tmp_path / workspace / ".state" / "workers")

    ours = f"sqlite:///{tmp_path}/w/digest.db"
    assert name(ours) == name(f"sqlite:///{tmp_path}/copy/digest.db", "copy")
    others = [
        f"sqlite:///{tmp_path}/w/other.db",
        "postgresql://a@h/digest",
        "postgresql://a@i/digest",
        "postgresql://a@h/d",
    ]
    assert len({name(url) for url in (ours, *others)}) == 5
    assert name("postgresql://a:secret@h/digest") == name("postgresql://b@h/digest")
