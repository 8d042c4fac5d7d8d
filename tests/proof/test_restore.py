"""The machine is lost in mid-send and an old backup comes back: nobody gets a second mail, and nothing is forgotten."""

import os
import re
import signal
import time
from typing import Any

import pytest

from tests.support.crowd import crowd
from tests.support.world import WAIT_SECONDS, World, arrived, copies, free_port

HOUR_LATER = "2021-09-30T09:00:00+09:00"


def crowded(world: World, readers: int) -> None:
    path = crowd(world.folder, [f"r{number}@example.org" for number in range(readers)])
    world.digest("subscribers", "import", str(path))


def status_of(world: World, expect: int) -> dict[str, Any]:
    status: dict[str, Any] = world.json("outbox", "status", "21", expect=expect)
    assert sum(status["states"].values()) == status["planned"]
    return status


def test_after_a_restore_the_maildir_tells_who_has_it(approved: World, slow: bool) -> None:
    sample = approved
    crowded(sample, 1500 if slow else 600)
    outbox, file = sample.folder / "outbox", sample.folder.parent / "mid-send.backup"
    process = sample.start("send", "21", "--yes")
    deadline = time.monotonic() + WAIT_SECONDS
    while arrived(outbox) < 50 and time.monotonic() < deadline:
        time.sleep(0.001)
    sample.digest("db", "backup", str(file))
    at_backup = arrived(outbox)
    while arrived(outbox) < at_backup + 100 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = copies(outbox)

    refused = sample.digest("db", "restore", str(file), expect=2)  # nobody is there to answer
    assert refused == ""
    restored = sample.json("db", "restore", str(file), "--yes")
    assert restored["held"] == [21]
    status = status_of(sample, expect=1)
    assert status["held"]
    assert status["states"]["uncertain"] == restored["uncertain"] > 100
    assert status["states"]["uncertain"] + status["states"]["accepted"] == status["planned"]

    for command in (["send", "21", "--yes", "--relay", "smtp://127.0.0.1:9"], ["outbox", "release", "21"]):
        sample.call(*command)
    assert status_of(sample, expect=1)["states"]["uncertain"] == restored["uncertain"]
    assert copies(outbox) == before  # by itself nothing goes out

    sample.json("outbox", "reconcile")  # the configured Maildir is its own record
    states = status_of(sample, expect=0)["states"]
    assert (states["uncertain"], states["accepted"]) == (0, before.total())
    sample.digest("send", "21", "--yes")
    assert copies(outbox).total() == status["planned"]
    assert max(copies(outbox).values()) == 1


def test_without_evidence_nobody_gets_a_second_mail(approved: World) -> None:
    sample = approved
    crowded(sample, 20)
    port, kept, file = free_port(), sample.folder / "kept", sample.folder / "mid-send.backup"
    relay = f"smtp://127.0.0.1:{port}"
    arguments = ["sink", "--port", str(port), "--maildir", str(kept), "--no-http", "--delay", "0.2"]
    with sample.running(*arguments, port=port):
        process = sample.start("send", "21", "--yes", "--relay", relay)
        deadline = time.monotonic() + WAIT_SECONDS
        while arrived(kept) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        told = sample.digest("db", "backup", str(file))
        assert "secrets.toml" in told
        sample.digest("db", "restore", str(file), "--yes", expect=3)  # not under a worker that lives
        _, errors = process.communicate(timeout=WAIT_SECONDS * 2)
        assert process.returncode == 0, errors
        everybody = copies(kept)
        told = sample.digest("db", "restore", str(file), "--yes")
        for words in ("uncertain", "held", "digest outbox reconcile", "digest outbox release", "unsubscribes"):
            assert words in told
        sample.digest("outbox", "release", "21")
        sample.digest("worker", "--relay", relay, expect=1)  # some are in doubt
        sample.digest("outbox", "reconcile", "--relay", relay, expect=1)
        sample.digest("send", "21", "--yes", "--relay", relay, expect=3)  # all that it knows is sent, or in doubt
        assert copies(kept) == everybody
        doubtful = [row for row in sample.json("outbox", "list", "21") if row["state"] == "uncertain"]
        assert doubtful
        assert all("after the backup" in row["reason"] for row in doubtful)
        sample.digest("outbox", "reconcile", "--assume", "accepted", "--all", "--issue", "21", "--yes")
    states = status_of(sample, expect=0)["states"]
    assert states["accepted"] == everybody.total()


@pytest.mark.one_database
def test_the_schedule_does_not_send_again_after_a_restore(sample: World) -> None:
    path = sample.folder / "digest.toml"
    path.write_text(re.sub(r"(?m)^required = .*$", "required = 0", path.read_text()))
    sample.digest("tick")
    file = sample.folder / "before.backup"
    sample.digest("db", "backup", str(file))
    sample.set_now("2021-09-30T12:00:00+09:00")
    sample.digest("tick")
    sent = copies(sample.folder / "outbox")
    assert sent.total() > 20
    restored = sample.json("db", "restore", str(file), "--yes")
    assert restored["skipped"] == ["2021-09"]
    for _ in range(2):
        sample.digest("tick")
    assert copies(sample.folder / "outbox") == sent
