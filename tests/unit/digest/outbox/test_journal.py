"""The hand-over journal: what it proves about a dead worker's attempts, and that anything odd about it proves nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest.outbox import journal as journals
from digest.outbox import workers
from digest.outbox.journal import SLOTS, Journal, read_journal
from digest.outbox.settle import Settlement, settle
from digest.outbox.states import Outcome, State
from digest.outbox.tables import ATTEMPT
from digest.outbox.take import Taken
from digest.outbox.workers import WorkerLock
from digest.runtime.db import session_scope
from tests.support.ledger import HOST, Ledger

SIZE = 1024 + (SLOTS + 1) * 40


class Victim:
    """A worker of this machine that takes two of three deliveries, hands one over, and dies."""

    def __init__(self, ledger: Ledger) -> None:
        ledger.planned(3)
        self.ledger = ledger
        self.folder = ledger.witness.folder
        self.lock = WorkerLock(self.folder, "w1")
        self.lock.acquire()
        self.journal = Journal(self.folder / "w1.journal", "w1", HOST, "a database")
        ledger.worker()
        self.taken = self.take(2)

    @property
    def path(self) -> Path:
        return self.journal.path

    def take(self, limit: int) -> list[Taken]:
        taken = self.ledger.take(limit)
        self.journal.taking(taken[-1].attempt_id)
        return taken

    def dies(self) -> None:
        self.lock.release(clean=False)

    def recovered(self) -> list[str]:
        """The states of what it had taken, after somebody looked."""
        self.ledger.recover()
        return [self.ledger.delivery(one.id).state for one in self.taken]


@pytest.fixture
def victim(ledger: Ledger) -> Iterator[Victim]:
    made = Victim(ledger)
    yield made
    made.dies()


def test_what_was_never_handed_over_is_due_again_with_its_reason(victim: Victim) -> None:
    victim.journal.hand_over(victim.taken[0])
    assert victim.recovered() == ["started", "started"]
    victim.dies()
    assert victim.recovered() == ["uncertain", "pending"]
    assert "ended before it sent the end" in victim.ledger.delivery(victim.taken[1].id).reason
    outcomes = {row.id: row.outcome for row in victim.ledger.attempts()}
    assert [outcomes[one.attempt_id] for one in victim.taken] == ["uncertain", "not_sent"]
    assert victim.taken[1].id in {one.id for one in victim.ledger.take(worker="w2")}


def test_whoever_still_holds_the_lock_lives(victim: Victim) -> None:
    assert victim.lock._file is not None
    child = os.dup(victim.lock._file.fileno())  # as a forked child has it, or a process that is stopped
    victim.dies()
    assert victim.recovered() == ["started", "started"]
    os.close(child)
    assert victim.recovered() == ["pending", "pending"]


def flip(place: int) -> Callable[[Victim], None]:
    def change(victim: Victim) -> None:
        data = bytearray(victim.path.read_bytes())
        data[place] ^= 0x40
        victim.path.write_bytes(data)

    return change


def zeroed(victim: Victim) -> None:
    data = victim.path.read_bytes()
    victim.path.write_bytes(data[:4096] + bytes(4096) + data[8192:])


def replaced_by_another(victim: Victim) -> None:
    victim.path.unlink()
    other = Journal(victim.path, "w2", HOST, "a database")
    other.taking(victim.taken[-1].attempt_id)


ODD: dict[str, Callable[[Victim], None]] = {
    "missing": lambda victim: victim.path.unlink(),
    "empty": lambda victim: victim.path.write_bytes(b""),
    "truncated": lambda victim: os.truncate(victim.path, SIZE - 40),
    "longer": lambda victim: os.truncate(victim.path, SIZE + 40),
    "zeroed": zeroed,
    "header": flip(3),
    "newest": flip(1024 + 4),
    "used slot": flip(1064 + 4),
    "unused slot": flip(1064 + 40 * 1000),
    "another worker's": replaced_by_another,
    "no lock": lambda victim: (victim.folder / "w1.lock").unlink(),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_journal_proves_nothing(victim: Victim, odd: str) -> None:
    assert victim.path.stat().st_size == SIZE
    victim.journal.hand_over(victim.taken[0])
    victim.dies()
    ODD[odd](victim)
    victim.ledger.silence("w1", 61)
    assert victim.recovered() == ["uncertain", "uncertain"]


@pytest.mark.parametrize("boot", ["another boot", ""])
def test_a_journal_of_another_boot_proves_nothing(victim: Victim, monkeypatch: pytest.MonkeyPatch, boot: str) -> None:
    victim.dies()
    monkeypatch.setattr(workers, "boot_id", lambda: boot)
    assert victim.recovered() == ["uncertain", "uncertain"]


def test_a_system_without_boot_ids_proves_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (workers, journals):
        monkeypatch.setattr(module, "boot_id", lambda: "")
    victim = Victim(ledger)
    victim.dies()
    assert victim.recovered() == ["uncertain", "uncertain"]


def test_a_journal_of_another_host_proves_nothing(victim: Victim) -> None:
    victim.dies()
    victim.ledger.witness = type(victim.ledger.witness)("elsewhere", victim.folder)
    victim.ledger.silence("w1", 61)
    assert victim.recovered() == ["uncertain", "uncertain"]


def test_a_journal_older_than_the_attempt_proves_nothing(victim: Victim) -> None:
    old = victim.path.read_bytes()
    (later,) = victim.take(1)
    victim.dies()
    victim.path.write_bytes(old)
    assert victim.recovered() == ["pending", "pending"]
    assert victim.ledger.delivery(later.id).state == "uncertain"


def test_a_database_that_lost_an_attempt_proves_nothing(victim: Victim) -> None:
    """Then it may have lost outcomes, too, whose marks were given to later attempts."""
    victim.journal.hand_over(victim.taken[0])
    with session_scope(victim.ledger.engine) as session:
        session.execute(ATTEMPT.delete().where(ATTEMPT.c.id == victim.taken[0].attempt_id))
    victim.dies()
    assert victim.recovered() == ["uncertain", "uncertain"]


def test_an_overflow_proves_nothing(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    victim.journal._free.clear()
    victim.journal.hand_over(victim.taken[0])
    victim.dies()
    assert victim.recovered() == ["uncertain", "uncertain"]


def test_marks_of_the_settled_are_overwritten_oldest_first(victim: Victim) -> None:
    first, second = victim.taken
    victim.journal.hand_over(first)
    for number in range(2 * SLOTS):
        fields = (first.promised, number + 1, f"{number:032x}", *first.values[3:])
        victim.journal.hand_over(one := type(second)(*fields, second.edition_id, second.family, second.reader))
        victim.journal.settled([one.attempt_id])
    found = read_journal(victim.path)
    assert found is not None
    assert len(found.attempts) == SLOTS
    assert not found.is_complete
    assert {first.attempt_id, f"{SLOTS + 1:032x}", f"{2 * SLOTS - 1:032x}"} <= found.attempts.keys()
    assert f"{SLOTS:032x}" not in found.attempts


def test_it_is_for_its_owner_only_and_has_its_place_on_the_disk(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        Journal(tmp_path / "w1.journal", "w1", HOST, "a database")
    finally:
        os.umask(umask)
    status = (tmp_path / "w1.journal").stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_blocks * 512 >= SIZE


def test_proof_by_the_journal_never_overrules_an_answer(victim: Victim) -> None:
    victim.dies()
    one = victim.taken[0]
    accepted = Settlement(one.promised, one.id, one.attempt_id, State.ACCEPTED, Outcome.ACCEPTED, victim.ledger.now)
    with session_scope(victim.ledger.engine) as session:
        settle(session, [accepted])
    assert victim.recovered() == ["accepted", "pending"]
