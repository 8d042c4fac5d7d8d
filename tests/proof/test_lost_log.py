"""digest.db loses its log, or an older copy is put in its place: noticed at the next start, and nobody gets two."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.outbox.states import State
from tests.proof.conftest import MakeRelay
from tests.proof.press import WAIT_SECONDS, Press, Relay, press_at, wait_until
from tests.support.crowd import crowd
from tests.support.world import World, arrived, copies

READERS = 424


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path) -> Iterator[Press]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    shutil.copyfile(sqlite_template, folder / "kept.db")
    with press_at(folder, f"sqlite:///{folder / 'kept.db'}", READERS) as made:
        yield made


def killed(world: Press, sink: Relay, at: int) -> None:
    process = world.worker(sink)
    wait_until(lambda: sink.taken() >= at, "the mail", process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=WAIT_SECONDS)


def put_back(world: Press, copy: Path | None) -> None:
    """Leave of the database its file alone, or an earlier copy of it."""
    world.disconnect()
    database = world.folder / "kept.db"
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    if copy:
        shutil.copyfile(copy, database)


def held_back(world: Press, sink: Relay) -> str:
    """Start another worker, which must send nothing; return what it says."""
    before = sink.taken()
    process = world.worker(sink)
    _, told = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in {0, 1}, told
    assert sink.taken() == before
    return told


@pytest.mark.parametrize("at", [40, 200])
def test_a_log_that_is_lost_is_noticed_and_only_the_doubtful_wait(
    world: Press, relay: MakeRelay, at: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = relay(0.0)
    killed(world, sink, at)
    put_back(world, None)
    told = held_back(world, sink)
    assert "the database has lost all changes" in told
    assert "digest outbox release" in told
    standing = world.standing()
    assert sink.taken() <= standing[State.UNCERTAIN] <= sink.taken() * 1.3
    assert standing[State.PENDING] == READERS - standing[State.UNCERTAIN]
    assert "the database has lost" not in held_back(world, sink), "once is enough"
    world.digest("outbox", "release", "21")
    world.finish(sink)
    uncertain = world.check(sink, most_uncertain=READERS)
    assert sink.taken() == READERS - uncertain + world.uncertain_that_arrived(sink)
    with capsys.disabled():
        print(f"\na lost log: {uncertain} uncertain, {world.uncertain_that_arrived(sink)} had left, 0 twice", end=" ")


def test_an_older_copy_put_back_after_a_whole_run_is_noticed(world: Press, relay: MakeRelay, tmp_path: Path) -> None:
    sink = relay(0.0)
    killed(world, sink, 100)
    world.standing()
    world.disconnect()  # the last connection brings the log into the file
    shutil.copyfile(world.folder / "kept.db", tmp_path / "copy.db")
    world.finish(sink)
    assert sink.taken() >= READERS - 50
    put_back(world, tmp_path / "copy.db")
    assert "the database has lost all changes" in held_back(world, sink)
    assert State.PENDING not in world.standing(), "any of them may have been sent"
    world.digest("outbox", "release", "21")
    world.finish(sink)
    world.check(sink, most_uncertain=READERS)


def killed_in_mid_send(world: World) -> None:
    path = crowd(world.folder, [f"r{number}@example.org" for number in range(150)])
    world.digest("subscribers", "import", str(path))
    sending = world.start("send", "21", "--yes")
    wait_until(lambda: arrived(world.folder / "outbox") > 20, "the mail", sending)
    os.killpg(sending.pid, signal.SIGKILL)
    sending.communicate()


@pytest.mark.one_database
def test_an_issue_frozen_in_the_lost_log_is_not_sent_again(approved: World, database_kind: str) -> None:
    if database_kind != "sqlite":
        pytest.skip("only SQLite has a log beside its file")
    outbox = approved.folder / "outbox"
    killed_in_mid_send(approved)
    before = copies(outbox)
    database = Path(approved.database_url.removeprefix("sqlite:///"))
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink()
    done = approved.call("send", "21", "--yes")
    assert "the database has lost all changes" in done.stderr
    assert approved.json("outbox", "status", "21")["held"]
    assert copies(outbox) == before


@pytest.mark.one_database
def test_a_restore_is_not_found_to_be_a_loss_as_well(approved: World) -> None:
    file = approved.folder.parent / "early.backup"
    approved.digest("db", "backup", str(file))
    killed_in_mid_send(approved)
    approved.json("db", "restore", str(file), "--yes")
    assert "has lost" not in approved.call("worker").stderr
    approved.digest("issue", "approve", "21", "--by", "Ada")
    assert "has lost" not in approved.call("send", "21", "--yes").stderr
    assert not approved.json("outbox", "status", "21")["held"]


@pytest.mark.one_database
def test_a_copied_workspace_goes_on_like_the_first(approved: World, database_kind: str) -> None:
    if database_kind != "sqlite":
        pytest.skip("a copied folder has the same database on a server")
    killed_in_mid_send(approved)
    folder = approved.folder.with_name("copy")
    shutil.copytree(approved.folder, folder)
    database = Path(approved.database_url.removeprefix("sqlite:///"))
    copy = World(folder, approved.database_url.replace(str(approved.folder), str(folder)))
    if copy.database_url == approved.database_url:  # it stands outside of the folder
        for ending in ("", "-wal", "-shm"):
            shutil.copyfile(f"{database}{ending}", f"{folder / 'copied.db'}{ending}")
        copy = World(folder, f"sqlite:///{folder / 'copied.db'}")
    assert "has lost" not in copy.call("send", "21", "--yes").stderr
    states = copy.json("outbox", "status", "21", expect=1)["states"]  # its Maildir is another one, and no evidence
    assert states["accepted"] + states["uncertain"] == sum(states.values())
    assert max(copies(folder / "outbox").values()) == 1


@pytest.mark.one_database
def test_an_issue_that_is_lost_itself_is_held_when_made_again(sample: World, database_kind: str) -> None:
    if database_kind != "sqlite":
        pytest.skip("only SQLite is a file that can be put back")
    outbox, database = sample.folder / "outbox", Path(sample.database_url.removeprefix("sqlite:///"))
    shutil.copyfile(database, sample.folder / "copy")
    sample.approve_issue_21()
    sample.digest("send", "21", "--yes")
    before = copies(outbox)
    shutil.copyfile(sample.folder / "copy", database)
    assert "it will be held when it is assembled again" in sample.call("worker").stderr
    sample.approve_issue_21()
    assert "Held issues: 21" in sample.call("send", "21", "--yes").stderr
    assert copies(outbox) == before
    sample.digest("outbox", "release", "21")
    assert "has lost" not in sample.call("send", "21", "--yes").stderr


@pytest.mark.one_database
def test_a_command_leaves_all_in_the_file_itself(sample: World, database_kind: str) -> None:
    """Else every copy of digest.db alone was out of date, whatever runs."""
    if database_kind != "sqlite":
        pytest.skip("only SQLite has a log beside its file")
    sample.process("issue", "assemble", "--period", "2021-09", "--number", "21")
    database = Path(sample.database_url.removeprefix("sqlite:///"))
    assert [path.name for path in database.parent.glob(f"{database.name}*")] == [database.name]
