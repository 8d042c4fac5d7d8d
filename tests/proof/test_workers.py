"""Workers that stay, as processes: woken by another process, stopped by signals, killed, cut off from the database."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from digest import app
from digest.send import start
from tests.support.crowd import crowd
from tests.support.gate import Gate
from tests.support.staying import Stayer, states, staying
from tests.support.world import WAIT_SECONDS, World, arrived, copies, free_port, wait_until


def start_sending(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze and announce from this process, and leave all delivering to the workers."""
    monkeypatch.setenv("DIGEST_DATABASE__URL", world.environment["DIGEST_DATABASE__URL"])
    monkeypatch.setenv("DIGEST_NOW", world.environment_now()["DIGEST_NOW"])
    works = app.open_app(world.folder)
    start.prepare_send(works, 21).start()
    works.engine.dispose()


@pytest.fixture
def crowded(approved: World) -> World:
    """Issue 21 is approved for a hundred readers more."""
    approved.digest("subscribers", "import", str(crowd(approved.folder, [f"r{n}@example.org" for n in range(100)])))
    return approved


@pytest.fixture
def slowly(approved: World) -> World:
    """Issue 21 is approved for readers to whom the sink's answer takes its time, too."""
    addresses = [f"slow@r{number}.example.org" for number in range(20)]
    approved.digest("subscribers", "import", str(crowd(approved.folder, addresses)))
    return approved


def test_two_workers_share_an_issue_that_a_third_process_starts(
    crowded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = crowded
    with staying(sample, "--json") as one, staying(sample, "--json") as two:
        start_sending(sample, monkeypatch)
        wait_until(lambda: states(sample).keys() == {"accepted"})
        ended = [one.end(), two.end()]
    assert [code for code, _ in ended] == [0, 0], (one.said, two.said)
    delivered = copies(sample.folder / "outbox")
    assert set(delivered.values()) == {1}
    assert len(delivered) == states(sample)["accepted"] > 100
    assert sum(json.loads(told)["outcomes"]["accepted"] for _, told in ended) == len(delivered)


def test_a_killed_worker_leaves_the_rest_to_the_other(crowded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = crowded
    outbox = sample.folder / "outbox"
    with staying(sample) as one, staying(sample) as two:
        start_sending(sample, monkeypatch)
        wait_until(lambda: arrived(outbox) > 10)
        one.end(signal.SIGKILL)
        # a Maildir is its own evidence: what the dead one left is resolved by the other's recovery
        wait_until(lambda: states(sample).keys() == {"accepted"})
        with staying(sample) as later:
            sample.digest("subscribers", "add", "new@example.org")
            wait_until(lambda: "new@example.org" in copies(outbox))
            assert (two.end()[0], later.end()[0]) == (0, 0)
    assert set(copies(outbox).values()) == {1}


def test_a_confirmation_goes_out_although_nobody_sends_an_issue(sample: World) -> None:
    with staying(sample) as worker:
        sample.digest("subscribers", "add", "new@example.org")
        wait_until(lambda: worker.says("1 accepted"))
        assert worker.end(signal.SIGINT)[0] == 0
    assert copies(sample.folder / "outbox") == {"new@example.org": 1}


@pytest.mark.one_database
def test_told_to_stop_it_finishes_the_message_on_the_wire(slowly: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = slowly
    port, kept = free_port(), sample.folder / "kept"
    sink = sample.running("sink", "--port", str(port), "--maildir", str(kept), "--slow", "1", port=port)
    with sink, staying(sample, "--json", "--relay", f"smtp://127.0.0.1:{port}") as worker:
        start_sending(sample, monkeypatch)
        wait_until(
            lambda: arrived(kept) and any(name.startswith("slow") for name in copies(kept))
        )  # kept, not yet answered
        code, told = worker.end()
    assert code == 0, worker.said
    after = states(sample)
    assert not {"started", "uncertain"} & after.keys()
    assert after["pending"] > 0
    assert after["accepted"] == sum(copies(kept).values()) == json.loads(told)["outcomes"]["accepted"]


@pytest.mark.one_database
def test_a_second_signal_ends_it_at_once(slowly: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = slowly
    port, kept = free_port(), sample.folder / "kept"
    sink = sample.running("sink", "--port", str(port), "--maildir", str(kept), "--slow", "900", port=port)
    with sink, staying(sample, "--relay", f"smtp://127.0.0.1:{port}") as worker:
        start_sending(sample, monkeypatch)
        wait_until(lambda: arrived(kept) and any(name.startswith("slow") for name in copies(kept)))
        os.killpg(worker.process.pid, signal.SIGTERM)
        time.sleep(0.2)
        code, _ = worker.end()
    assert code == -signal.SIGTERM
    assert "started" in states(sample)


@pytest.mark.one_database
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
        wait_until(lambda: worker.says("Waiting until it answers"))
        refused = gate.refused
        wait_until(lambda: gate.refused >= refused + 2)
        gate.open()
        wait_until(lambda: worker.says("The database answers again"))
        sample.digest("subscribers", "add", "new@example.org")
        wait_until(lambda: worker.says("1 accepted"))
        assert worker.end()[0] == 0
        assert len([line for line in worker.said if "Waiting" in line]) == 1
