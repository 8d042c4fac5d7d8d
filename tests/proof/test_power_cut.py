"""The power fails: the database is what its disk held at that moment, and the next start sends nobody a second mail."""

import random
import shutil
import signal
from pathlib import Path

import pytest

from digest.outbox.states import State
from tests.proof.conftest import MakeRelay
from tests.proof.launcher import copy_sqlite
from tests.proof.press import WAIT_SECONDS, WINDOW, press_at, wait_until
from tests.support.postgres import Cluster

TAKE, SETTLEMENT = "take committed", "settlement committed"


@pytest.fixture
def database(tmp_path: Path, sqlite_template: Path) -> Path:
    """The file of a fresh SQLite database, where the launcher looks for it."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    path = folder / "kept.db"
    shutil.copyfile(sqlite_template, path)
    return path


def restore(database: Path, file: Path, log: bytes | None) -> None:
    """Leave of the database what a disk had: the file and its log. The shared memory is gone with the power."""
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    shutil.copyfile(file, database)
    if log is not None:
        database.with_name(database.name + "-wal").write_bytes(log)


@pytest.mark.parametrize("torn", [None, 0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("step", [TAKE, SETTLEMENT])
def test_sqlite_loses_power_while_a_commit_is_being_written(
    tmp_path: Path, database: Path, relay: MakeRelay, torn: float | None, step: str, slow: bool
) -> None:
    """`torn` is how much of the commit's frames came to the disk; None: a part of the last page is garbage."""
    if not slow and (step, torn) not in {(TAKE, None), (TAKE, 1.0), (SETTLEMENT, 0.5)}:
        pytest.skip("a long run; add --slow")
    sink = relay(0.0)
    with press_at(database.parent, f"sqlite:///{database}", 400) as world:
        snapshot = tmp_path / "snapshot"
        launch = ["--kill", step, "--at", "4", "--snapshot", str(snapshot), "--database", str(database)]
        process = world.worker(sink, *launch)
        told = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == -signal.SIGKILL, told
        before, after = (snapshot / name / (database.name + "-wal") for name in ("before", "after"))
        durable, all_of_it = before.read_bytes(), after.read_bytes()
        tail = all_of_it[len(durable) :]
        assert tail, "the commit wrote nothing behind what was there"
        if torn is None:
            log = durable + tail[: len(tail) // 2] + random.Random(1).randbytes(len(tail) - len(tail) // 2)
        else:
            log = durable + tail[: int(len(tail) * torn)]
        world.disconnect()
        restore(database, before.with_name(database.name), log)
        world.finish(sink)
        world.check(sink, most_uncertain=WINDOW)


def test_sqlite_loses_power_at_a_random_moment(tmp_path: Path, database: Path, relay: MakeRelay, slow: bool) -> None:
    rng, cuts = random.Random(7), 25 if slow else 2
    sink = relay(0.005)
    with press_at(database.parent, f"sqlite:///{database}", 300 * cuts) as world:
        for number in range(cuts):
            process = world.worker(sink)
            target = sink.taken() + rng.randint(1, 150)
            wait_until(lambda: sink.taken() >= target, "the mail", process)  # noqa: B023 - called at once
            process.send_signal(signal.SIGSTOP)  # anywhere: also in the middle of a commit
            copy = tmp_path / f"copy{number}"
            copy_sqlite(database, copy)
            process.kill()
            process.communicate()
            world.disconnect()
            log = copy / (database.name + "-wal")
            restore(database, copy / database.name, log.read_bytes() if log.exists() else None)
            assert world.standing()[State.STARTED] <= WINDOW
        world.finish(sink)
        world.check(sink, most_uncertain=WINDOW * cuts)


@pytest.mark.parametrize("way", ["frozen", "immediate"])
def test_postgresql_loses_power(
    cluster: tuple[Cluster, str], tmp_path: Path, relay: MakeRelay, slow: bool, way: str
) -> None:
    server, url = cluster
    rng, cuts = random.Random(8), 25 if slow else 2
    sink = relay(0.005)
    with press_at(tmp_path / "workspace", url, 300 * cuts) as world:
        for number in range(cuts):
            process = world.worker(sink)
            target = sink.taken() + rng.randint(1, 150)
            wait_until(lambda: sink.taken() >= target, "the mail", process)  # noqa: B023 - called at once
            process.send_signal(signal.SIGSTOP)
            copy = tmp_path / f"copy{number}"
            if way == "frozen":
                server.freeze_and_copy(copy)
            else:
                server.stop_immediately()
                server.copy_data(copy)
            process.kill()
            process.communicate()
            server.replace_data(copy)
            shutil.rmtree(copy)
            server.start()
            world.disconnect()
            assert world.standing()[State.STARTED] <= WINDOW
        world.finish(sink)
        world.check(sink, most_uncertain=WINDOW * cuts)
