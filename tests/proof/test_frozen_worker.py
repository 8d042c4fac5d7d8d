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


@pytest.mark.parametrize("stale", [False, True])
def test_taken_for_dead_from_another_machine_it_resolves_its_own_when_it_comes_back(
    press: MakePress, relay: MakeRelay, *, stale: bool
) -> None:
    """Frozen for longer than it may trust its take (`stale`), it sends nothing of what it held."""
    world, sink = press(400), relay(0.02)
    launch = ["--set", "digest.delivery.worker:STALE_SECONDS=1"] if stale else []
    frozen = freeze_in_the_middle(world, sink, *launch)
    its_own = started(world)
    run_beside(world, sink, *ELSEWHERE)
    assert started(world) == dict.fromkeys(its_own, State.UNCERTAIN)
    assert len(its_own) <= WINDOW
    before = sink.taken()
    wake(frozen)
    left = started(world)
    assert len(left) < len(its_own), "its late answers resolve nothing"
    if stale:
        # what was on the wire had arrived; the rest it did not send, and nobody believes a clock that stood still
        assert sink.taken() == before
        assert left
    else:
        assert not left
    world.finish(sink)
    world.check(sink, most_uncertain=len(left))
