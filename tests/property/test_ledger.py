"""Whatever happens in whatever order: the numbers add up, and nobody gets an issue twice unless a person said so."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.outbox import breaker, operations
from digest.outbox.operations import ResendRefusedError
from digest.outbox.settle import WITHDRAWN, Settlement, settle
from digest.outbox.states import MOVES, Outcome, State
from digest.outbox.take import Taken
from digest.runtime.db import make_engine, session_scope
from tests.support.ledger import Ledger

WORKERS = ("w1", "w2", "w3")
READERS = 5
STEPS = 150
# By the server's answer: does the reader have the mail, and what does the sender note?
ENDINGS = {
    "accepted": (True, State.ACCEPTED),
    "uncertain": (True, State.UNCERTAIN),
    "deferred": (False, State.DEFERRED),
    "rejected": (False, State.REJECTED),
    Outcome.NOT_SENT: (False, State.PENDING),
}


class World:
    """The ledger with workers that die and come back from the dead, beside a record of what the wire carried.

    No worker signs on, so that all of them seem dead to `recover`: whoever settles afterwards is back from the dead.
    """

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self.ledger = ledger
        self.rng = rng
        self.people = ledger.planned(READERS)
        self.held: list[Taken] = []
        self.on_the_wire: Counter[int] = Counter()
        self.resent: Counter[int] = Counter()
        self.left: set[int] = set()
        self.before = self.states()
        self.seen: Counter[str] = Counter()

    def states(self) -> dict[int, State]:
        return {row.id: State(row.state) for row in self.ledger.deliveries()}

    def take(self) -> None:
        taken = self.ledger.take(limit=self.rng.randint(1, 3), worker=self.rng.choice(WORKERS))
        people = {row.id: row.subscriber_id for row in self.ledger.deliveries()}
        assert not self.left & {people[one.id] for one in taken}
        self.held += taken

    def send(self) -> None:
        """Send some attempt that a worker holds; it is settled unless the worker dies in between."""
        if not self.held:
            return
        one = self.held.pop(self.rng.randrange(len(self.held)))
        ending = self.rng.choice(sorted(ENDINGS))
        arrives, state = ENDINGS[ending]
        self.on_the_wire[one.id] += arrives
        if self.rng.random() < 0.3:
            return
        now = self.ledger.now
        due_at = now + timedelta(minutes=5) if state is State.DEFERRED else None
        settlement = Settlement(one.promised, one.id, one.attempt_id, state, ending, now, due_at=due_at)
        before = self.ledger.delivery(one.id)
        with session_scope(self.ledger.engine) as session:
            settle(session, [settlement])
            settle(session, [settlement])  # a repeat is harmless
        if before.attempt_id != one.attempt_id:
            assert self.ledger.delivery(one.id) == before

    def recover(self) -> None:
        self.ledger.recover()

    def wait(self) -> None:
        self.ledger.now += timedelta(minutes=self.rng.choice([5, 20]))

    def unsubscribe(self) -> None:
        person = self.rng.choice(self.people)
        self.left.add(person)
        self.ledger.change(person, state="unsubscribed")

    def hold_take_and_release(self) -> None:
        with session_scope(self.ledger.engine) as session:
            operations.hold(session, self.ledger.issue_id, "why")
        assert self.ledger.take() == []
        with session_scope(self.ledger.engine) as session:
            breaker.release(session, self.ledger.issue_id, self.ledger.now)

    def retry(self) -> None:
        with session_scope(self.ledger.engine) as session:
            state = self.rng.choice([State.DEFERRED, State.REJECTED])
            operations.retry(session, self.ledger.issue_id, state, self.ledger.now, why="mended")

    def freeze_again(self) -> None:
        assert self.ledger.freeze().planned == READERS

    def resend(self) -> None:
        """A person says of an uncertain delivery that it did not arrive, and may be wrong."""
        uncertain = [of_id for of_id, state in self.states().items() if state is State.UNCERTAIN]
        if not uncertain:
            return
        chosen = self.rng.choice(uncertain)
        try:
            with session_scope(self.ledger.engine) as session:
                operations.resend(session, chosen, self.ledger.witness, self.ledger.now)
        except ResendRefusedError:
            return
        self.resent[chosen] += 1

    def finish(self) -> None:
        with session_scope(self.ledger.engine) as session:
            operations.finish(session, self.ledger.issue_id, self.ledger.now)

    def withdraw(self) -> None:
        self.ledger.change_issue(state="withdrawn")
        with session_scope(self.ledger.engine) as session:
            operations.cancel(session, self.ledger.issue_id, self.ledger.now, reason=WITHDRAWN)

    def step(self) -> None:
        often: list[Callable[[], None]] = [self.take, self.send, self.send, self.recover, self.wait, self.resend]
        seldom = [self.unsubscribe, self.hold_take_and_release, self.retry, self.freeze_again, self.finish]
        action = self.rng.choice(often if self.rng.random() < 0.9 else seldom)
        action()
        self.check(action.__name__)

    def check(self, action: str) -> None:
        now = self.states()
        assert len(now) == sum(self.ledger.counts().values()) == READERS
        for of_id, state in now.items():
            before = self.before[of_id]
            # one action may make two moves: what comes back to a withdrawn issue is cancelled at once
            reachable = {before} | MOVES[before] | {after for between in MOVES[before] for after in MOVES[between]}
            assert state in reachable, f"{action}: {before} became {state}"
        self.before = now
        attempts = Counter(attempt.delivery_id for attempt in self.ledger.attempts())
        for row in self.ledger.deliveries():
            assert attempts[row.id] == row.attempts
            assert self.on_the_wire[row.id] <= 1 + self.resent[row.id], f"{action}: delivery {row.id} went twice"
        self.seen.update(state.value for state in now.values())


@pytest.mark.parametrize("seed", range(12))
def test_in_any_order_the_numbers_add_up_and_nobody_gets_two(seed: int, sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "digest.db")
    engine = make_engine(f"sqlite:///{tmp_path / 'digest.db'}")
    world = World(Ledger(engine, datetime(2021, 9, 30, tzinfo=UTC), tmp_path), random.Random(seed))
    for _ in range(STEPS):
        world.step()
    world.withdraw()
    for _ in range(20):
        world.send()
        world.check("after the withdrawal")
    assert not {State.PENDING, State.DEFERRED} & set(world.states().values())
    assert {"uncertain", "started"} <= set(world.seen)  # else the walk went nowhere
    engine.dispose()
