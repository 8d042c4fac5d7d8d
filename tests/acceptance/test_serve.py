"""`digest serve` as its operator runs it: several processes, signals, limits that they share, and a silent log."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from digest.app import open_app
from digest.runtime.db import make_engine, session_scope
from subscribers import store
from subscribers.links import Purpose
from tests.support.world import WAIT_SECONDS, World, free_port, wait_for_port

ADDRESS = "kim.minjun@example.org"


def request(port: int, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    try:
        connection.request(method, path, body or None, {**kind, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def children(pid: int) -> list[int]:
    """The web processes of a server: its children that are no helper of multiprocessing."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == pid and b"resource_tracker" not in command and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ready(port: int, process: "subprocess.Popen[str]", workers: int) -> None:
    wait_for_port(port, process)
    until(lambda: len(children(process.pid)) == workers, "no workers")
    assert request(port, "GET", "/healthz")[0] == 200


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
class TestSeveralProcesses:
    @pytest.mark.one_database
    @pytest.mark.parametrize("ended_by", ["SIGTERM", "Ctrl-C"])
    def test_they_share_a_port_are_replaced_and_end_together(self, sample: World, ended_by: str) -> None:
        port = free_port()
        process = sample.start("serve", "--port", str(port), "--workers", "2")
        try:
            ready(port, process, 2)
            first = children(process.pid)
            os.kill(first[0], signal.SIGKILL)
            until(lambda: len(set(children(process.pid)) - set(first)) == 1, "nobody took its place")
            assert all(request(port, "GET", "/subscribe")[0] == 200 for _ in range(10))
            present = children(process.pid)
            if ended_by == "SIGTERM":
                process.send_signal(signal.SIGTERM)
            else:
                os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=WAIT_SECONDS)
        finally:
            process.kill()
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert not [pid for pid in present if alive(pid)]
        assert free(port)

    @pytest.mark.one_database
    def test_none_outlives_a_parent_that_was_killed(self, sample: World) -> None:
        port = free_port()
        process = sample.start("serve", "--port", str(port), "--workers", "2")
        ready(port, process, 2)
        present = children(process.pid)
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)
        until(lambda: not any(alive(pid) for pid in present), f"{present} live on")
        assert free(port)

    def test_they_count_together(self, sample: World) -> None:
        sample.environment |= {"DIGEST_LIMITS__BARE": "10/hour"}
        port = free_port()
        with sample.running("serve", "--port", str(port), "--workers", "2", port=port) as process:
            ready(port, process, 2)
            answers = [request(port, "POST", "/subscribe", f"email=a{number}%40example.org")[0] for number in range(40)]
        assert answers.count(200) == 10
        assert answers.count(429) == 30

    @pytest.mark.one_database
    def test_that_none_can_start_is_told(self, sample: World) -> None:
        (sample.folder / "digest.toml").write_text(
            (sample.folder / "digest.toml").read_text() + '\n[web]\ntrusted_proxies = ["everybody"]\n'
        )
        sample.process("serve", "--port", str(free_port()), "--workers", "2", expect=2)


def test_no_output_has_a_token_or_an_address_whatever_fails(sample: World, database_kind: str) -> None:
    sample.digest("subscribers", "add", ADDRESS, "--confirmed-by", "test")
    os.environ["DIGEST_DATABASE__URL"] = sample.environment["DIGEST_DATABASE__URL"]
    try:
        works = open_app(sample.folder)
    finally:
        del os.environ["DIGEST_DATABASE__URL"]
    with session_scope(works.engine, read_only=True) as session:
        person = store.by_key(session, ADDRESS)
        assert person is not None
        ref = person.ref
    works.engine.dispose()
    leave = works.signer.token(Purpose.UNSUBSCRIBE, ref)
    settings = works.signer.token(Purpose.PREFERENCES, ref, now=works.clock.now())
    # A template of the publisher's own, which fails with what it was given.
    broken = sample.folder / "templates" / "web" / "unsubscribe.html.j2"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text("{{ (base_url ~ '" + ADDRESS + " " + leave + "') / 1 }}")
    port = free_port()
    process = sample.start("serve", "--port", str(port))
    try:
        wait_for_port(port, process)
        seen = set()
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            for path in (f"/unsubscribe/{leave}", f"/preferences/{settings}", f"/view/{leave}", f"/undo/{leave[:-1]}"):
                seen.add(request(port, method, path + f"?who={ADDRESS}")[0])
        seen.add(request(port, "POST", "/subscribe", f"email={ADDRESS}&x=%ff%00")[0])
        seen.add(request(port, "GET", f"/{leave}/{ADDRESS}")[0])
        for raw in (f"GET /unsubscribe/{leave} HTTP/9.9\r\n\r\n", f"GET /unsubscribe/{leave} x y z\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as connection:
                connection.sendall(raw.encode())
                connection.recv(1000)
        lose_the_database(sample.environment["DIGEST_DATABASE__URL"])
        for method, path, body in (
            ("GET", f"/preferences/{settings}", ""),
            ("POST", f"/unsubscribe/{leave}", "List-Unsubscribe=One-Click"),
            ("POST", "/subscribe", f"email={ADDRESS}"),
            ("GET", "/readyz", ""),
        ):
            status, page = request(port, method, path, body)
            seen.add(status)
            assert leave not in page
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=WAIT_SECONDS)
    finally:
        process.kill()
    assert {200, 404, 405, 500, 503} <= seen
    assert "Traceback" in errors  # the fault is told, with its place
    everything = out + errors
    for secret in (ADDRESS, "kim.minjun", ref, leave, settings, leave[10:40], leave[-30:], settings[-30:]):
        assert secret not in everything, everything


def lose_the_database(url: str) -> None:
    """Take the table away: the driver then says which statement failed, and would like to say with what."""
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE subscriber RENAME TO gone")
        connection.exec_driver_sql("ALTER TABLE alembic_version RENAME TO gone_too")
    engine.dispose()
