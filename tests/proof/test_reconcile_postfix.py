"""Against a real Postfix: mails whose answer was lost, and mails that never got through, told apart by its own log."""

import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from digest.sink.server import Sink
from tests.support.postfix import Postfix, PostfixUnavailableError
from tests.support.world import World, mails


class CuttingProxy:
    """Stands between us and the relay, and cuts connections at the worst moments.

    The first mail, and every one to `550@`: after its final dot has reached the relay, whose answer is lost. The
    second: before the final dot, although we have sent it.
    """

    def __init__(self, relay_port: int) -> None:
        self._relay_port = relay_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.cut: dict[str, list[str]] = {"after": [], "before": []}
        self._mails = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            relay = socket.create_connection(("127.0.0.1", self._relay_port))
            muted = threading.Event()
            threading.Thread(target=self._answers, args=(relay, client, muted), daemon=True).start()
            threading.Thread(target=self._requests, args=(client, relay, muted), daemon=True).start()

    def _answers(self, relay: socket.socket, client: socket.socket, muted: threading.Event) -> None:
        try:
            while data := relay.recv(65536):
                if muted.is_set():  # the answer to the final dot: it is lost on its way
                    break
                client.sendall(data)
        except OSError:
            pass
        for end in (relay, client):
            end.close()

    def _requests(self, client: socket.socket, relay: socket.socket, muted: threading.Event) -> None:
        recipient = ""
        try:
            with client.makefile("rb") as lines:
                for line in lines:
                    relay.sendall(line)
                    if line.upper().startswith(b"RCPT TO:"):
                        recipient = line.decode().partition("<")[2].partition(">")[0]
                    if line.strip().upper() == b"DATA" and not self._body(lines, relay, muted, recipient):
                        break
        except OSError:
            pass
        if not muted.is_set():
            with suppress(OSError):  # the relay may have closed it already
                relay.shutdown(socket.SHUT_RDWR)

    def _body(self, lines: Iterator[bytes], relay: socket.socket, muted: threading.Event, recipient: str) -> bool:
        """Pass a message on; return False when the connection is to be cut."""
        self._mails += 1
        after = self._mails == 1 or recipient.startswith("550@")
        before = self._mails == 2
        for line in lines:
            if line == b".\r\n":
                break
            relay.sendall(line)
        if before:
            self.cut["before"].append(recipient)
            return False
        if after:
            self.cut["after"].append(recipient)
            muted.set()
        relay.sendall(b".\r\n")
        return not after


@pytest.fixture
def next_hop(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path / "arrived") as sink:
        yield sink


@pytest.fixture
def postfix(next_hop: Sink) -> Iterator[Postfix]:
    try:
        relay = Postfix(next_hop.port)
    except PostfixUnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with relay:
        yield relay


def arrived(folder: Path) -> Counter[str]:
    return Counter(str(mail["To"]).rpartition("<")[2].rstrip(">") for mail in mails(folder) if mail["List-Id"])


def states(world: World) -> dict[str, str]:
    return {row["address"]: row["state"] for row in world.json("outbox", "list", "21")}


def covering(postfix: Postfix, started: datetime, path: Path) -> Path:
    """The relay's log as it will be in half an hour: what is between its own lines and those is silence."""
    early, late = (f"{started + timedelta(minutes=m):%b %e %H:%M:%S}" for m in (-10, 30))
    line = "{} relay postfix/anvil[1]: statistics: max cache size 1 at {}\n"
    path.write_text(line.format(early, early) + postfix.log + line.format(late, late))
    return path


@pytest.mark.one_database
def test_a_relays_log_tells_what_it_took_and_nobody_gets_two(sample: World, postfix: Postfix, tmp_path: Path) -> None:
    started = datetime.now().astimezone()
    sample.set_now(started.isoformat())
    sample.digest("subscribers", "add", "550@example.org", "--confirmed-by", "test")
    sample.approve_issue_21()
    with CuttingProxy(postfix.port) as proxy:
        sample.digest("send", "21", "--yes", "--relay", f"smtp://127.0.0.1:{proxy.port}", expect=1)
    taken, lost = set(proxy.cut["after"]), set(proxy.cut["before"])
    assert len(taken) == 2
    assert len(lost) == 1
    before = states(sample)
    assert {address for address, state in before.items() if state == "uncertain"} == taken | lost
    postfix.wait_for(r"status=sent|status=bounced \(host", len(before) - len(lost))
    postfix.wait_for(r"message-id=", len(before))
    postfix.wait_for("lost connection after DATA")

    # the bounce that Postfix itself has written is in the next hop's mailbox, among all other mail
    reported = sample.json("outbox", "reconcile", "--dsn", str(tmp_path / "arrived"), "--dry-run", expect=1)
    assert [(entry["address"], entry["state"]) for entry in reported["resolved"]] == [("550@example.org", "rejected")]
    assert states(sample) == before

    told = sample.json("outbox", "reconcile", "--log", str(postfix.log_file), "--dry-run", expect=1)
    assert states(sample) == before
    done = sample.json("outbox", "reconcile", "--log", str(postfix.log_file), "--yes", expect=1)
    assert {**told, "dry_run": False} == done
    assert {entry["address"] for entry in done["resolved"]} == taken
    assert all(re.fullmatch(r"mail\.log:\d+", entry["source"]) for entry in done["resolved"])
    after = states(sample)
    assert {address for address, state in after.items() if state == "uncertain"} == lost
    assert after["550@example.org"] == "rejected"
    assert all(after[address] == "accepted" for address in taken - {"550@example.org"})
    (bounced,) = (entry for entry in done["resolved"] if entry["state"] == "rejected")
    shown = sample.json("outbox", "show", str(bounced["id"]))
    assert (shown["tries"][0]["code"], shown["tries"][0]["enhanced"]) == (550, "5.1.1")
    assert "in reply to RCPT TO command" in shown["tries"][0]["reply"]

    # a worker finds nothing to do: the one that was cut off is still uncertain
    sample.digest("worker", "--relay", f"smtp://127.0.0.1:{postfix.port}")
    assert states(sample) == after

    # its absence counts once the operator says that the log is whole, and it reaches beyond the attempt
    sample.set_now((started + timedelta(minutes=40)).isoformat())
    short = sample.json("outbox", "reconcile", "--log", str(postfix.log_file), "--complete", "--yes", expect=1)
    assert short["resolved"] == []
    whole = covering(postfix, started, tmp_path / "whole.log")
    missing = sample.json("outbox", "reconcile", "--log", str(whole), "--yes", expect=1)
    assert missing["resolved"] == []
    found = sample.json("outbox", "reconcile", "--log", str(whole), "--complete", "--yes")
    assert [(entry["address"], entry["state"]) for entry in found["resolved"]] == [(*lost, "pending")]
    sample.digest("worker", "--relay", f"smtp://127.0.0.1:{postfix.port}")
    postfix.wait_for("status=sent", len(before))
    assert states(sample)[next(iter(lost))] == "accepted"
    assert arrived(tmp_path / "arrived") == Counter(set(before) - {"550@example.org"})
