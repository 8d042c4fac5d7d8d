"""The database or the mail server is killed in the middle of a send: the worker goes on where it stopped."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from digest.outbox.states import State
from tests.proof.conftest import MakePress, MakeRelay
from tests.proof.press import WAIT_SECONDS, WINDOW, Press, Relay, press_at, wait_until
from tests.support.postgres import Cluster

CONNECTIONS = 10


def rounds(slow: bool) -> int:
    return 50 if slow else 3


def run_on(process: subprocess.Popen[str]) -> None:
    """Let a worker come to its end, in spite of everything."""
    told = process.communicate(timeout=WAIT_SECONDS * 4)
    assert process.returncode in {0, 1}, told


def wait_for_mail(sink: Relay, more: int, process: subprocess.Popen[str]) -> None:
    target = sink.taken() + more
    wait_until(lambda: sink.taken() >= target, "the mail", process)


def kill_a_backend(_world: Press, cluster: Cluster) -> None:
    """One process of the server dies; the postmaster then ends them all and recovers."""
    wait_until(lambda: _backends(cluster), "a connection of the worker's")  # it may recover from the last kill
    for pid in _backends(cluster):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _backends(cluster: Cluster) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with suppress(psycopg.OperationalError), psycopg.connect(cluster.url, autocommit=True) as connection:
        return [pid for (pid,) in connection.execute(query)]
    return []


def kill_the_server(_world: Press, cluster: Cluster) -> None:
    """All of it dies at once, and is started again on the same data."""
    cluster.kill()
    time.sleep(0.3)
    cluster.start()


@pytest.mark.parametrize("kill", [kill_a_backend, kill_the_server])
def test_postgresql_is_killed_and_nobody_becomes_uncertain(
    cluster: tuple[Cluster, str], tmp_path: Path, relay: MakeRelay, slow: bool, kill: object
) -> None:
    server, url = cluster
    with press_at(tmp_path / "workspace", url, 400 * rounds(slow)) as world:
        sink = relay(0.02)
        process = world.worker(sink)
        for _ in range(rounds(slow)):
            wait_for_mail(sink, 60, process)
            kill(world, server)  # type: ignore[operator]
        run_on(process)
        # the worker lived: every answer was kept until the database took it
        assert world.check(sink, most_uncertain=0) == 0


def test_postgresql_stays_away_longer_than_patience_and_the_answers_are_in_a_file(
    cluster: tuple[Cluster, str], tmp_path: Path, relay: MakeRelay
) -> None:
    server, url = cluster
    with press_at(tmp_path / "workspace", url, 600) as world:
        sink = relay(0.02)
        world.environment["DIGEST_DELIVERY__PATIENCE"] = "1"
        process = world.worker(sink)
        wait_for_mail(sink, 60, process)
        server.kill()
        process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 4
        server.start()
        world.finish(sink)
        uncertain = world.check(sink, most_uncertain=WINDOW)
        kept = list((world.folder / ".state" / "outcomes").glob("*.json"))
        world.digest("outbox", "reconcile", "--yes", expect=(0, 1))
        assert len(kept) == 1
        # what was on the wire when it gave up is left
        assert world.check(sink, most_uncertain=2 * CONNECTIONS) < uncertain


@pytest.mark.parametrize("cluster", [("synchronous_commit=off", "wal_writer_delay=10s")], indirect=True)
def test_a_server_that_is_set_to_forget_does_not_forget_attempts(
    cluster: tuple[Cluster, str], tmp_path: Path, relay: MakeRelay
) -> None:
    """A PostgreSQL tuned for speed answers COMMIT before the commit is on the disk; we ask for the other kind."""
    server, url = cluster
    with press_at(tmp_path / "workspace", url, 600) as world:
        sink = relay(0.02)
        process = world.worker(sink)
        wait_for_mail(sink, 60, process)
        kill_the_server(world, server)
        run_on(process)
        world.check(sink, most_uncertain=0)


@pytest.fixture
def sqlite_only(database_kind: str) -> Iterator[None]:
    if database_kind != "sqlite":
        pytest.skip("PostgreSQL has its own tests")
    return


@pytest.mark.usefixtures("sqlite_only")
def test_sqlite_is_locked_longer_than_we_wait_and_nobody_becomes_uncertain(
    press: MakePress, relay: MakeRelay, slow: bool, database_url: str
) -> None:
    times = rounds(slow)
    world, sink = press(400 * times), relay(0.02)
    process = world.worker(sink, "--set", "digest.runtime.db:BUSY_SECONDS=0.1")
    for _ in range(times):
        wait_for_mail(sink, 60, process)
        with closing(
            sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
        ) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(0.6)
    run_on(process)
    assert world.check(sink, most_uncertain=0) == 0


def test_sqlite_cannot_write_because_the_disk_is_full_and_nobody_becomes_uncertain(
    tmp_path: Path, relay: MakeRelay, sqlite_template: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no mount here: {mounted.stderr.decode().strip()}")
    try:
        database = disk / "digest.db"
        database.write_bytes(sqlite_template.read_bytes())
        with press_at(tmp_path / "workspace", f"sqlite:///{database}", 800) as world:
            sink = relay(0.02)
            process = world.worker(sink)
            wait_for_mail(sink, 60, process)
            with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass
            stuck = wait_until_stuck(sink)
            assert State.PENDING in world.standing()
            (disk / "filler").unlink()
            wait_for_mail(sink, 1, process)
            run_on(process)
            assert stuck < world.planned
            assert world.check(sink, most_uncertain=0) == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def wait_until_stuck(sink: Relay) -> int:
    """Wait until no mail comes any more; return how many came."""
    before = -1
    while (now := sink.taken()) != before:
        before = now
        time.sleep(0.5)
    return now


def test_the_mail_server_is_killed_in_the_middle(press: MakePress, relay: MakeRelay, slow: bool) -> None:
    times = rounds(slow)
    world, sink = press(400 * times), relay(0.02)
    process = world.worker(sink)
    for _ in range(times):
        wait_for_mail(sink, 60, process)
        sink.kill()
        time.sleep(0.2)
        sink.start()
    run_on(process)
    while State.DEFERRED in world.standing():
        world.make_due()
        world.finish(sink)
    # after the dot and before its answer there is one mail on each connection
    world.check(sink, most_uncertain=CONNECTIONS * times)
