"""Killed at a random moment, again and again: every reader has exactly one mail, or is listed as uncertain with a reason."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.crowd import crowd
from tests.support.world import WAIT_SECONDS, World, arrived, copies, free_port, wait_for_port

READERS = 120
KILLS = 2  # for each of two transports on two databases


def kill_in_the_middle(world: World, arguments: list[str], counted: Callable[[], int], rng: random.Random) -> None:
    """Start a send and kill -9 it once a random number of new mails has arrived, or it ends by itself."""
    target = counted() + rng.randint(1, 25)
    process = world.start(*arguments)
    deadline = time.monotonic() + WAIT_SECONDS
    while process.poll() is None and counted() < target and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(rng.random() * 0.01)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def standing(world: World) -> dict[str, Any]:
    """How the issue stands; the numbers add up at any moment."""
    done = world.call("outbox", "status", "21", "--json")
    assert done.returncode in {0, 1}  # 1: something is uncertain and needs a person
    status: dict[str, Any] = json.loads(done.stdout)
    assert sum(status["states"].values()) == status["planned"]
    return status


def finish(world: World, arguments: list[str]) -> None:
    """Let it run to its end: 1 says that some are uncertain, 3 that the last one killed was done already."""
    done = world.call(*arguments)
    assert done.returncode in {0, 1, 3}, done


def check(world: World, delivered: Counter[str]) -> None:
    status = standing(world)
    assert not {"pending", "started", "deferred"} & {state for state, count in status["states"].items() if count}
    rows = world.json("outbox", "list", "21")
    assert len(rows) == status["planned"] >= READERS
    uncertain = {row["address"] for row in rows if row["state"] == "uncertain"}
    assert all(row["reason"] for row in rows if row["state"] == "uncertain")
    assert max(delivered.values()) == 1, [address for address, count in delivered.items() if count > 1]
    for row in rows:
        assert delivered[row["address"]] == 1 or row["address"] in uncertain, row


@pytest.fixture
def rounds(slow: bool) -> int:
    return 40 if slow else KILLS


@pytest.fixture
def crowded(approved: World) -> World:
    addresses = [f"reader{number}@example.org" for number in range(READERS)]
    path = crowd(approved.folder, addresses, interests=("*", "mobility", "safety", ""))
    approved.digest("subscribers", "import", str(path))
    return approved


def test_killed_while_writing_a_maildir_nobody_is_in_doubt(crowded: World, rounds: int) -> None:
    world, rng = crowded, random.Random(21)

    def counted() -> int:
        return arrived(world.folder / "outbox")

    for _ in range(rounds):
        kill_in_the_middle(world, ["send", "21", "--yes"], counted, rng)
    finish(world, ["send", "21", "--yes"])
    check(world, copies(world.folder / "outbox"))
    # the file's name is the delivery's id: a Maildir is its own evidence, so nothing stays in doubt
    assert standing(world)["states"]["uncertain"] == 0


def test_killed_while_speaking_smtp_nobody_gets_two(crowded: World, rounds: int) -> None:
    world, rng, port = crowded, random.Random(22), free_port()
    kept = world.folder / "kept"
    with world.running("sink", "--port", str(port), "--maildir", str(kept), port=port):

        def counted() -> int:
            return arrived(kept)

        arguments = ["send", "21", "--yes", "--relay", f"smtp://127.0.0.1:{port}"]
        for _ in range(rounds):
            kill_in_the_middle(world, arguments, counted, rng)
        finish(world, arguments)
    check(world, copies(kept))


@pytest.mark.one_database
def test_the_sink_being_killed_loses_nobody(crowded: World) -> None:
    world, port = crowded, free_port()
    kept = world.folder / "kept"
    relay = f"smtp://127.0.0.1:{port}"
    world.environment["DIGEST_DELIVERY__PATIENCE"] = "2"
    sink = world.start("sink", "--port", str(port), "--maildir", str(kept))
    wait_for_port(port, sink)
    sending = world.start("send", "21", "--yes", "--relay", relay)
    while sending.poll() is None and arrived(kept) < 10:
        time.sleep(0.001)
    os.killpg(sink.pid, signal.SIGKILL)
    sink.communicate()
    sending.communicate(timeout=WAIT_SECONDS * 2)
    assert sending.returncode in {1, 4}
    standing(world)
    world.set_now("2021-10-01T08:00:00+09:00")  # what was deferred is due again by then
    with world.running("sink", "--port", str(port), "--maildir", str(kept), port=port):
        world.call("send", "21", "--yes", "--relay", relay)
    check(world, copies(kept))
