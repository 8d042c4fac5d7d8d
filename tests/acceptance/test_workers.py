"""Workers that stay, as processes: woken by another process, stopped by signals, killed, cut off from the database."""

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from digest import bootstrap, sending
from digest.outbox.tables import DELIVERY
from digest.runtime.db import make_engine
from tests.acceptance.test_kill9 import crowd
from tests.gate import Gate
from tests.support.world import WAIT_SECONDS, World, free_port, mails


def eventually(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class Stayer:
    """`digest worker --stay` in a process of its own, and what it says."""

    def __init__(self, world: World, *arguments: str) -> None:
        self.said: list[str] = []
        self.process = world.start("worker", "--stay", *arguments)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))

    def says(self, part: str) -> bool:
        if self.process.poll() is not None and not any(part in line for line in self.said):
            raise AssertionError(f"ended with {self.process.returncode}: {self.said}")
        return any(part in line for line in self.said)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit code and stdout."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        code = self.process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        told = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, told


@contextmanager
def staying(world: World, *arguments: str) -> Iterator[Stayer]:
    stayer = Stayer(world, *arguments)
    try:
        eventually(lambda: stayer.says("Staying"))
        yield stayer
    finally:
        if stayer.process.returncode is None:
            stayer.end(signal.SIGKILL)


def start_sending(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze and announce from this process, and leave all delivering to the workers."""
    monkeypatch.setenv("DIGEST_DATABASE__URL", world.environment["DIGEST_DATABASE__URL"])
    monkeypatch.setenv("DIGEST_NOW", world.environment_now()["DIGEST_NOW"])
    works = bootstrap.build(world.folder)
    sending.prepare_send(works, 21).start()
    works.engine.dispose()


def states(world: World) -> dict[str, int]:
    """How many deliveries are in each state that is not empty; read here, since a process each time would be slow."""
    engine = make_engine(world.environment["DIGEST_DATABASE__URL"])
    query = select(DELIVERY.c.state, func.count()).group_by(DELIVERY.c.state)
    with engine.connect() as connection:
        found = {row.state: row.count for row in connection.execute(query)}
    engine.dispose()
    return found


def addresses(maildir: Path) -> Counter[str]:
    return Counter(message["To"].addresses[0].addr_spec for message in mails(maildir))


def arrived(maildir: Path) -> int:
    return sum(1 for _ in (maildir / "new").iterdir()) if maildir.exists() else 0


def test_two_workers_share_an_issue_that_a_third_process_starts(sample: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.digest("subscribers", "import", str(crowd(sample.folder)))
    sample.approve_issue_21()
    with staying(sample, "--json") as one, staying(sample, "--json") as two:
        start_sending(sample, monkeypatch)
        eventually(lambda: states(sample).keys() == {"accepted"})
        ended = [one.end(), two.end()]
    assert [code for code, _ in ended] == [0, 0], (one.said, two.said)
    delivered = addresses(sample.folder / "outbox")
    assert set(delivered.values()) == {1}
    assert len(delivered) == states(sample)["accepted"] > 120
    assert sum(json.loads(told)["outcomes"]["accepted"] for _, told in ended) == len(delivered)


def test_a_worker_that_is_killed_leaves_the_rest_to_the_other(sample: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.digest("subscribers", "import", str(crowd(sample.folder)))
    sample.approve_issue_21()
    outbox = sample.folder / "outbox"
    with staying(sample) as one, staying(sample) as two:
        start_sending(sample, monkeypatch)
        eventually(lambda: arrived(outbox) > 10)
        one.end(signal.SIGKILL)
        # a Maildir is its own evidence: what the dead one left is resolved by the other's recovery
        eventually(lambda: states(sample).keys() == {"accepted"})
        with staying(sample) as later:
            sample.digest("subscribers", "add", "new@example.org")
            eventually(lambda: "new@example.org" in addresses(outbox))
            assert (two.end()[0], later.end()[0]) == (0, 0)
    assert set(addresses(outbox).values()) == {1}


def test_a_confirmation_goes_out_although_nobody_sends_an_issue(sample: World) -> None:
    with staying(sample) as worker:
        sample.digest("subscribers", "add", "new@example.org")
        eventually(lambda: worker.says("1 accepted"))
        assert worker.end(signal.SIGINT)[0] == 0
    assert addresses(sample.folder / "outbox") == {"new@example.org": 1}


def test_told_to_stop_it_finishes_the_message_on_the_wire(sample: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.digest("subscribers", "import", str(slow_crowd(sample.folder)))
    sample.approve_issue_21()
    port, kept = free_port(), sample.folder / "kept"
    sink = sample.running("sink", "--port", str(port), "--maildir", str(kept), port=port)
    with sink, staying(sample, "--json", "--relay", f"smtp://127.0.0.1:{port}") as worker:
        start_sending(sample, monkeypatch)
        eventually(lambda: any(name.startswith("slow") for name in addresses(kept)))  # kept, not yet answered
        code, told = worker.end()
    assert code == 0, worker.said
    after = states(sample)
    assert not {"started", "uncertain"} & after.keys()
    assert after["pending"] > 0
    assert after["accepted"] == sum(addresses(kept).values()) == json.loads(told)["outcomes"]["accepted"]


def slow_crowd(folder: Path) -> Path:
    lines = ["email,name,interests,language,format,frequency,status,confirmed_at,consent_source"]
    lines += [f"slow@r{number}.example.org,,*,en,html,every,confirmed,2021-01-01,test" for number in range(20)]
    path = folder / "slow.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_second_signal_ends_it_at_once(sample: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.digest("subscribers", "import", str(slow_crowd(sample.folder)))
    sample.approve_issue_21()
    port, kept = free_port(), sample.folder / "kept"
    sink = sample.running("sink", "--port", str(port), "--maildir", str(kept), port=port)
    with sink, staying(sample, "--relay", f"smtp://127.0.0.1:{port}") as worker:
        start_sending(sample, monkeypatch)
        eventually(lambda: any(name.startswith("slow") for name in addresses(kept)))
        os.killpg(worker.process.pid, signal.SIGTERM)
        time.sleep(0.2)
        code, _ = worker.end()
    assert code == -signal.SIGTERM
    assert "started" in states(sample)


def test_a_relay_that_refuses_us_ends_it_with_the_reason(sample: World) -> None:
    sample.digest("subscribers", "add", "new@example.org")
    with refusing_server() as port:
        worker = Stayer(sample, "--relay", f"smtp://127.0.0.1:{port}")
        assert worker.process.wait(WAIT_SECONDS) == 2
        assert worker.says("→")
        worker.end()


@contextmanager
def refusing_server() -> Iterator[int]:
    """Greets everybody with 554: no service for you (RFC 5321, section 3.1)."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(b"554 5.7.1 Not from there\r\n")
                        connection.settimeout(WAIT_SECONDS)
                        connection.recv(1000)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_a_database_that_goes_away_is_waited_for(sample: World) -> None:
    url = sample.environment["DIGEST_DATABASE__URL"]
    if url.startswith("sqlite"):
        pytest.skip("a file does not go away")
    sample.environment["DIGEST_DELIVERY__PATIENCE"] = "0"
    with Gate(url) as gate:
        sample.environment["DIGEST_DATABASE__URL"] = gate.url
        wait_for_the_database_at(sample, gate)


def wait_for_the_database_at(sample: World, gate: Gate) -> None:
    with staying(sample) as worker:
        gate.shut()
        eventually(lambda: worker.says("Waiting until it answers"))
        time.sleep(3)
        gate.open()
        eventually(lambda: worker.says("It answers again"))
        sample.digest("subscribers", "add", "new@example.org")
        eventually(lambda: worker.says("1 accepted"))
        assert worker.end()[0] == 0
        assert len([line for line in worker.said if "Waiting" in line]) == 1
