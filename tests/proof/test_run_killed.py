"""The one that has the run is killed at each of its steps: another takes over in time, and each reader has one mail."""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.month.run import STEPS
from tests.proof.conftest import MakeRelay
from tests.proof.months import FIRST, HERE, TAKEOVER, Months
from tests.proof.press import Relay

READERS = 5
MakeMonths = Callable[[Relay], Months]


@pytest.fixture
def months(tmp_path: Path, database_url: str) -> Iterator[MakeMonths]:
    made: list[Months] = []

    def make(relay: Relay) -> Months:
        count = len(STEPS)
        made.append(
            Months(
                tmp_path,
                database_url,
                months=count,
                readers=READERS,
                relay_port=relay.port,
                delivery='canary = "2"\ncanary_wait = "1m"',
            )
        )
        return made[0]

    yield make
    for one in made:
        one.close()


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_each_step_another_takes_over(relay: MakeRelay, months: MakeMonths, when: str) -> None:
    sink = relay(0.0)
    world = months(sink)
    world.tick(world.due(FIRST) - timedelta(days=20))
    period = FIRST
    for place, (step, _) in enumerate(STEPS):
        due = world.due(period)
        if step not in {"assemble", "check", "approve", "freeze", "canary"}:
            world.tick(due)  # the canary goes
            due += timedelta(minutes=2)
        process = world.start(step, when, moment=due, program=[str(HERE / "killed_run.py")])
        told = process.communicate(timeout=180)
        assert process.returncode == -signal.SIGKILL, told
        killed_at = time.monotonic()
        run = world.runs()[str(period)]
        assert (run.state, run.step) == ("running", step)
        if place == 0 and not world.tick(due):
            assert time.monotonic() - killed_at < TAKEOVER + 60  # still in its name
        time.sleep(max(0.0, killed_at + TAKEOVER + 0.5 - time.monotonic()))
        after = due
        while world.runs()[str(period)].state != "done":
            told_by_other = [entry for entry in world.tick(after) if entry["period"] == str(period)]
            assert told_by_other, f"nobody took over after {step}"
            after += timedelta(minutes=2)
            assert after < due + timedelta(hours=1), told_by_other
        assert world.runs()[str(period)].claimed_by != run.claimed_by
        period = period.next
    rows = list(world.deliveries())
    assert {row.state for row in rows} == {"accepted"}
    assert len(rows) == len(STEPS) * READERS
    counts = sink.counts()
    assert set(counts.values()) == {1}
    assert sum(counts.values()) == len(STEPS) * READERS
    for run in world.runs().values():
        assert run.detail["report"]["planned"] == run.detail["report"]["accepted"] == READERS
