"""Killed in the middle of a send: the same command goes on, and every reader has one mail. tests/proof kills more often."""

import os
import signal
import time

import pytest

from tests.support.crowd import crowd
from tests.support.world import World, arrived, copies, wait_until


@pytest.mark.one_database
def test_after_a_kill_the_same_command_goes_on_and_once_holds(approved: World) -> None:
    world, outbox = approved, approved.folder / "outbox"
    path = crowd(world.folder, [f"r{n}@example.org" for n in range(150)])
    world.digest("subscribers", "import", str(path))
    sending = world.start("send", "21", "--yes")
    while sending.poll() is None and arrived(outbox) < 10:
        time.sleep(0.001)  # it is over in a second
    os.killpg(sending.pid, signal.SIGKILL)
    wait_until(lambda: sending.poll() is not None)
    assert sending.returncode == -signal.SIGKILL
    sending.communicate()
    left = world.call("outbox", "status", "21", "--json")
    assert '"started": 0' not in left.stdout or '"pending": 0' not in left.stdout
    world.digest("send", "21", "--yes")
    status = world.json("outbox", "status", "21")
    assert status["states"]["accepted"] == status["planned"] == len(copies(outbox)) > 150
    assert max(copies(outbox).values()) == 1
