"""A worker that stands still longer than anybody waits, and comes back: it sends nobody a second mail."""

import signal
import subprocess
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, WORKER
from digest.runtime.db import session_scope
from tests.proof.conftest import MakePress, MakeRelay
from tests.proof.press import WAIT_SECONDS, WINDOW, Press, Relay, wait_until

ELSEWHERE = ["--host", "another machine"]
CONNECTIONS = 10


def freeze_in_the_middle(world: Press, sink: Relay, *launch: str) -> subprocess.Popen[str]:
    """Start a worker and stop it with what it has started unanswered; move its heartbeat far into the past."""
    process = world.worker(sink, *launch)
    wait_until(lambda: sink.taken() > 100, "the mail", process)
    while True:
        world.freeze(process)
        if world.standing()[State.STARTED]:
            break
        process.send_signal(signal.SIGCONT)
    with session_scope(world.engine) as session:
        beat = session.execute(select(WORKER.c.heartbeat_at).where(WORKER.c.stopped_at.is_(None))).scalar_one()
        session.execute(update(WORKER).values(heartbeat_at=beat - timedelta(hours=1)))
    return process


def wake(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGCONT)
    told = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in {0, 1}, told


def run_beside(world: Press, sink: Relay, *launch: str) -> None:
    """Let a second worker do all that it may do."""
    process = world.worker(sink, *launch)
    told = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in {0, 1}, told


def started(world: Press) -> dict[int, str]:
    """The deliveries that are started or uncertain, with their states."""
    query = select(DELIVERY.c.id, DELIVERY.c.state)
    with session_scope(world.engine, read_only=True) as session:
        rows = session.execute(query.where(DELIVERY.c.state.in_([State.STARTED, State.UNCERTAIN])))
        return {row.id: row.state for row in rows}


def test_on_this_machine_its_lock_says_that_it_lives_whatever_its_heartbeat_says(
    press: MakePress, relay: MakeRelay
) -> None:
    world, sink = press(400), relay(0.02)
    frozen = freeze_in_the_middle(world, sink)
    its_own = started(world)
    run_beside(world, sink)
    assert started(world) == its_own
    assert set(its_own.values()) == {State.STARTED}
    wake(frozen)
    world.finish(sink)
    assert world.check(sink, most_uncertain=0) == 0


def test_taken_for_dead_from_another_machine_it_resolves_its_own_when_it_comes_back(
    press: MakePress, relay: MakeRelay
) -> None:
    world, sink = press(1_000), relay(0.02)
    frozen = freeze_in_the_middle(world, sink)
    its_own = started(world)
    beside = world.worker(sink, *ELSEWHERE)
    wait_until(lambda: State.UNCERTAIN in started(world).values(), "the verdict of the other one", beside)
    beside.send_signal(signal.SIGTERM)
    beside.communicate(timeout=WAIT_SECONDS)
    assert started(world) == dict.fromkeys(its_own, State.UNCERTAIN)
    wake(frozen)
    # nobody else may have sent them: what it still held, it sent, and its late answers settled all
    assert world.check(sink, most_uncertain=0) == 0


@pytest.mark.parametrize(
    "launch", [[], ["--set", "digest.delivery.worker.loop:STALE_SECONDS=1"]], ids=["sent", "stale"]
)
def test_when_it_comes_back_too_late_it_begins_nothing_any_more(
    press: MakePress, relay: MakeRelay, launch: list[str]
) -> None:
    """The issue counts as sent meanwhile, or it was frozen for longer than it may trust its take (120 s)."""
    world, sink = press(400), relay(0.02)
    frozen = freeze_in_the_middle(world, sink, *launch)
    its_own = started(world)
    run_beside(world, sink, *ELSEWHERE)
    if launch:
        world.make_due()  # the issue goes on: it is the clock that stops it
    assert started(world) == dict.fromkeys(its_own, State.UNCERTAIN)
    assert len(its_own) <= WINDOW
    before = sink.taken()
    wake(frozen)
    # who was on the wire gets the rest; before the clock and the issue are looked at again, one more on each connection
    assert sink.taken() <= before + 2 * CONNECTIONS
    left = started(world)
    assert len(left) < len(its_own), "its late answers resolve what was on the wire"
    world.finish(sink)
    world.check(sink, most_uncertain=len(left))
