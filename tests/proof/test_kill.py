"""A worker killed with -9, at every step and at random: every reader has one mail, or is uncertain with a reason."""

import random
import signal

import pytest

from digest.outbox.states import State
from tests.proof.conftest import MakePress, MakeRelay
from tests.proof.launcher import LAST_STEPS, STEPS
from tests.proof.press import WAIT_SECONDS, WINDOW, Press, Relay, wait_until

RANDOM = "a random moment"
# How often a step may come before the kill: a commit comes once for many mails.
SELDOM = {"take begun", "take committed", "settlement begun", "settlement committed"}


def kill_at(press: Press, relay: Relay, step: str, rng: random.Random) -> None:
    """Start a worker and kill it at the step; it must have come to it."""
    if step == RANDOM:
        target = relay.taken() + rng.randint(1, 100)
        process = press.worker(relay)
        wait_until(lambda: relay.taken() >= target, "the mail", process)
        process.send_signal(signal.SIGKILL)
    else:
        at = 1 if step in LAST_STEPS else rng.randint(1, 4 if step in SELDOM else 60)
        process = press.worker(relay, "--kill", step, "--at", str(at))
    told = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == -signal.SIGKILL, (step, told)


def uncertain_or_open(press: Press) -> int:
    standing = press.standing()
    return standing[State.UNCERTAIN] + standing[State.STARTED]


def test_killed_at_every_step_nobody_gets_two_and_nobody_is_lost(
    press: MakePress, relay: MakeRelay, slow: bool, round_number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(round_number)
    world, sink = press(2_000 if slow else 1_000), relay(0.0)
    steps = [*STEPS] if slow else [RANDOM, *STEPS]
    rng.shuffle(steps)
    for step in steps:
        before = uncertain_or_open(world)
        kill_at(world, sink, step, rng)
        assert uncertain_or_open(world) - before <= WINDOW, step
    # the last: nothing is left to send when a worker signs off, and the second one finds nothing to start
    last = rng.sample(LAST_STEPS, 2 if slow else 1)
    for step in last:
        kill_at(world, sink, step, rng)
    world.finish(sink)
    kills = len(steps) + len(last)
    uncertain = world.check(sink, most_uncertain=WINDOW * kills)
    with capsys.disabled():
        print(f"\n{kills} kills, {world.planned} deliveries, {uncertain} uncertain, 0 twice, 0 lost", end=" ")


def test_killed_in_mid_traffic_only_what_had_left_is_uncertain(
    press: MakePress, relay: MakeRelay, slow: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two workers; whenever some more mails have arrived, one of them is killed and started again."""
    rng, kills = random.Random(11), 200 if slow else 8
    world, sink = press(80 * kills), relay(0.02)
    workers = [world.worker(sink), world.worker(sink)]
    for _ in range(kills):
        target, victim = sink.taken() + rng.randint(10, 60), rng.randrange(2)
        wait_until(lambda: sink.taken() >= target, "the mail", workers[victim])  # noqa: B023 - called at once
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].communicate(timeout=WAIT_SECONDS)
        workers[victim] = world.worker(sink)
    for worker in workers:
        worker.communicate(timeout=WAIT_SECONDS * 4)
    world.finish(sink)
    uncertain = world.check(sink, most_uncertain=WINDOW * kills)
    left = world.uncertain_that_arrived(sink)
    with capsys.disabled():
        print(f"\n{kills} kills, {world.planned} deliveries: uncertain / final bytes handed over", end=" ")
        print(f"{uncertain} / {left} = {uncertain / max(left, 1):.2f}, 0 twice, 0 lost", end=" ")
    assert 0 < uncertain <= 1.3 * left


def test_a_worker_told_to_stop_leaves_nobody_uncertain(press: MakePress, relay: MakeRelay) -> None:
    world, sink = press(300), relay(0.01)
    for number in range(2):
        process = world.worker(sink)
        wait_until(lambda: sink.taken() > 60 * number, "the mail", process)  # noqa: B023 - called at once
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode in {0, 1}
        assert State.STARTED not in world.standing()
    world.finish(sink)
    assert world.check(sink, most_uncertain=0) == 0


def test_the_counting_relay_counts(press: MakePress, relay: MakeRelay, database_kind: str) -> None:
    if database_kind != "sqlite":
        pytest.skip("once is enough")
    world, sink = press(5), relay(0.0)
    world.finish(sink)
    assert world.check(sink, most_uncertain=0) == 0
    with sink.file.open("a") as file:
        file.write(sink.file.read_text().splitlines()[0] + "\n")
    with pytest.raises(AssertionError, match="somebody has two"):
        world.check(sink, most_uncertain=0)
    sink.file.write_text("")
    with pytest.raises(AssertionError, match="lost"):
        world.check(sink, most_uncertain=0)
