"""A relay that refuses us at any step loses nobody: once it is mended, each reader gets the issue once.

Two workers deliver, and one of them is killed while it is refused. What leads out is what the held issue names itself.
"""

import os
import random
import shlex
import signal
import socketserver
import threading
import time
from collections import Counter
from typing import ClassVar, cast

import pytest

from tests.support.crowd import crowd
from tests.support.world import WAIT_SECONDS, World

READERS = 60
HELD_AT = {
    "RCPT": ("550 5.7.1 Unable to relay", "550 5.4.5 Daily SMTP relay limit exceeded for customer."),
    "DATA": ("554 5.7.1 Blocked",),
    ".": ("554 5.7.1 Message rejected as spam", "552 Quota exceeded"),
}
STOPS_AT = {"MAIL": ("550 5.4.5 Daily user sending quota exceeded.", "530 5.7.0 Authentication required")}
CASES = [(step, text) for steps in (HELD_AT, STOPS_AT) for step, texts in steps.items() for text in texts]
SHORT = {CASES[0], CASES[3], CASES[5]}


class Relay(socketserver.ThreadingTCPServer):
    """Takes mail, counts it by recipient, and once it has `patience` of them, refuses with `answer` at `step`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, step: str, answer: str, patience: int) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.step, self.answer, self.patience = step, answer, patience
        self.taken: Counter[str] = Counter()
        self.refused = 0

    def reply(self, step: str, fine: str) -> str:
        if step != self.step or self.taken.total() < self.patience:
            return fine
        self.refused += 1
        return self.answer

    def handle_error(self, *_: object) -> None:
        """A worker was killed."""


class Talk(socketserver.StreamRequestHandler):
    FINE: ClassVar = {"DATA": "354 go on", "QUIT": "221 bye"}

    def handle(self) -> None:
        relay, recipient = cast("Relay", self.server), ""
        self.say("220 relay.example ESMTP")
        while line := self.rfile.readline().decode():
            step = line[:4].strip().upper()
            recipient = line.partition("<")[2].partition(">")[0] if step == "RCPT" else recipient
            answer = "250-relay.example\r\n250 PIPELINING" if step == "EHLO" else self.answer(step, recipient)
            recipient = "" if step == "RCPT" and not answer.startswith("250") else recipient
            self.say(answer)
            if step == "DATA" and self.wanted:
                while (line := self.rfile.readline()) != b".\r\n":
                    if not line:
                        return
                verdict = relay.reply(".", "250 2.0.0 taken")
                relay.taken[recipient] += verdict.startswith("250")
                self.say(verdict)

    def answer(self, step: str, recipient: str) -> str:
        text = cast("Relay", self.server).reply(step, self.FINE.get(step, "250 ok"))
        text = text if recipient or step != "DATA" else "503 5.5.1 no valid recipient"
        self.wanted = text.startswith("354")
        return text

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def crowded(approved: World) -> World:
    addresses = [f"reader{number}@example.org" for number in range(READERS)]
    approved.digest("subscribers", "import", str(crowd(approved.folder, addresses)))
    return approved


@pytest.mark.parametrize(("step", "answer"), CASES)
def test_once_mended_each_reader_gets_it_once(crowded: World, slow: bool, step: str, answer: str) -> None:
    if not slow and (step, answer) not in SHORT:
        pytest.skip("the long form tries every refusal")
    world, rng = crowded, random.Random(f"{step}{answer}")
    with Relay(step, answer, patience=rng.randint(0, 12)) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        by = ["--relay", f"smtp://127.0.0.1:{relay.server_address[1]}"]
        killed = world.start("send", "21", "--yes", *by)
        time.sleep(rng.uniform(1.0, 1.6))
        other = world.start("worker", "21", *by)
        deadline = time.monotonic() + WAIT_SECONDS
        while killed.poll() is None and not relay.refused and time.monotonic() < deadline:
            time.sleep(0.001)
        if killed.poll() is None:
            os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
        other.communicate(timeout=WAIT_SECONDS * 2)
        status = world.json("outbox", "status", "21", expect=1 if _uncertain(world) else 0)
        assert status["state"] == "sending"
        assert status["states"]["rejected"] == 0
        assert relay.refused < READERS / 2
        relay.patience = READERS * 10
        world.set_now("2021-09-30T10:00:00+09:00")
        for command in status["next"]:
            more = {"retry": ["--yes"], "send": ["--yes", *by]}
            verb = next((verb for verb in more if f" {verb} " in command), "")
            assert world.call(*shlex.split(command)[1:], *more.get(verb, [])).returncode in {0, 1}, command
        world.call("send", "21", "--yes", *by)
        for row in world.json("outbox", "list", "21", "--state", "uncertain"):
            if not relay.taken[row["address"]]:  # which the relay's log would show
                world.digest("outbox", "resend", str(row["id"]), "--yes")
        world.call("outbox", "retry", "--issue", "21", "--yes")
        world.call("send", "21", "--yes", *by)
        relay.shutdown()
    rows = world.json("outbox", "list", "21")
    assert {row["address"]: relay.taken[row["address"]] for row in rows} == {row["address"]: 1 for row in rows}
    assert {row["state"] for row in rows} <= {"accepted", "uncertain"}


def _uncertain(world: World) -> bool:
    return bool(world.json("outbox", "list", "21", "--state", "uncertain"))
