"""Several workers, some of them killed: what the dead had started goes to nobody, and the others go on at once."""

import random
import signal
import subprocess
import time
from datetime import UTC, datetime

from sqlalchemy import func, select

from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT
from digest.runtime.db import session_scope
from tests.proof.conftest import MakePress, MakeRelay
from tests.proof.press import WAIT_SECONDS, WINDOW, Press, Relay, wait_until


def at_work(world: Press, since: datetime) -> dict[str, int]:
    """How many attempts each worker has begun since then."""
    query = select(ATTEMPT.c.worker_id, func.count()).where(ATTEMPT.c.started_at > since).group_by(ATTEMPT.c.worker_id)
    with session_scope(world.engine, read_only=True) as session:
        return {row[0]: row[1] for row in session.execute(query)}


def start(world: Press, sink: Relay, count: int, *launch: str) -> list[subprocess.Popen[str]]:
    """Start workers and wait until each has begun to send."""
    processes = [world.worker(sink, *launch) for _ in range(count)]
    began = datetime(2000, 1, 1, tzinfo=UTC)
    wait_until(lambda: len(at_work(world, began)) == count, "work for every worker", processes[0])
    return processes


def test_some_workers_are_killed_and_the_others_go_on_at_once(
    press: MakePress, relay: MakeRelay, slow: bool, database_kind: str
) -> None:
    many = 4 if database_kind == "postgresql" else 2
    world, sink = press(50_000 if slow else 2_000), relay(0.01 if slow else 0.05)
    rng = random.Random(4)
    # the survivors look after the dead every 30 seconds, and a short test ends before that
    processes = start(world, sink, many, "--set", "digest.delivery.worker.presence:RECOVER_SECONDS=1")
    victims = rng.sample(processes, many // 2)
    for victim in victims:
        # in the long form somewhere in the middle, in the short one before the others are through
        target = sink.taken() + rng.randint(10, world.planned // 5 if slow else 100)
        wait_until(lambda: sink.taken() >= target, "the mail", victim)  # noqa: B023 - called at once
        victim.kill()
        victim.communicate()
        killed_at, began = datetime.now(UTC), time.monotonic()
        left = sum(process.poll() is None for process in processes)
        wait_until(lambda: len(at_work(world, killed_at)) >= left, "takes of the others")  # noqa: B023
        assert time.monotonic() - began < 20  # half a minute would be that they waited for somebody's heartbeat
    for process in processes:
        told = process.communicate(timeout=WAIT_SECONDS * 4)
        assert process.returncode in ({-signal.SIGKILL} if process in victims else {0, 1}), told
    uncertain = world.standing()[State.UNCERTAIN]
    world.finish(sink)
    assert world.check(sink, most_uncertain=WINDOW * len(victims)) >= uncertain
    print(
        f"{len(victims)} of {many} workers killed, {world.planned} deliveries, {uncertain} uncertain, 0 twice, 0 lost"
    )
