"""Workers that stay, as processes: woken by another process, stopped by signals, killed, cut off from the database."""

import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from digest import bootstrap, sending
from digest.outbox.tables import DELIVERY
from digest.runtime.db import make_engine
from tests.acceptance.conftest import WAIT_SECONDS, World, free_port, mails
from tests.acceptance.test_kill9 import crowd


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
    monkeypatch.setenv("DIGEST_NOW", world._environment()["DIGEST_NOW"])
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
    url = make_url(sample.environment["DIGEST_DATABASE__URL"])
    if url.get_backend_name() == "sqlite":
        pytest.skip("a file does not go away")
    sample.environment["DIGEST_DELIVERY__PATIENCE"] = "0"
    path = Path(str(url.query["host"])) / ".s.PGSQL.5432"
    with Gate(path, sample) as gate, staying(sample) as worker:
        gate.shut()
        eventually(lambda: worker.says("Waiting until it answers"))
        time.sleep(3)
        gate.open()
        eventually(lambda: worker.says("It answers again"))
        sample.digest("subscribers", "add", "new@example.org")
        eventually(lambda: worker.says("1 accepted"))
        assert worker.end()[0] == 0
        assert len([line for line in worker.said if "Waiting" in line]) == 1


class Gate:
    """Stands between a world and its database's socket; when shut, all connections are cut and none is let in."""

    def __init__(self, server: Path, world: World) -> None:
        self._server, self._world = server, world
        self._folder = Path(tempfile.mkdtemp(prefix="dp-gate-"))  # a socket's path must be short
        self._shut, self._ending = threading.Event(), threading.Event()
        self._through: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._url = world.environment["DIGEST_DATABASE__URL"]

    def __enter__(self) -> Self:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._folder / self._server.name))
        self._listening.listen(50)
        self._listening.settimeout(0.05)
        self._thread.start()
        self._world.environment["DIGEST_DATABASE__URL"] = self._url.replace(str(self._server.parent), str(self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._world.environment["DIGEST_DATABASE__URL"] = self._url
        self._ending.set()
        self._thread.join()
        for one in (self._listening, *self._through):
            one.close()
        shutil.rmtree(self._folder)

    def shut(self) -> None:
        self._shut.set()
        self._cut()

    def open(self) -> None:
        self._shut.clear()

    def _cut(self) -> None:
        for one in self._through:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                client, _ = self._listening.accept()
                if self._shut.is_set():
                    client.close()
                else:
                    self._let_in(client)

    def _let_in(self, client: socket.socket) -> None:
        client.settimeout(None)
        there = socket.socket(socket.AF_UNIX)
        there.connect(str(self._server))
        self._through += [client, there]
        for pair in ((client, there), (there, client)):
            threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
