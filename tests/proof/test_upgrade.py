"""An upgrade in the middle of a send: a process of the old version goes on against the new schema, and "once" holds."""

import io
import signal
import subprocess
import tarfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from digest.outbox import notices
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import HEAD, make_engine, session_scope
from digest.sink.rules import SinkRules
from digest.sink.server import Sink
from tests.support.crowd import crowd
from tests.support.staying import Stayer, states, staying
from tests.support.world import WAIT_SECONDS, World, arrived, copies, wait_until

READERS = 50
OLD_REVISION = "0002"
"""Of the version that somebody may have installed."""


def git(repo_root: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(repo_root), *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


@pytest.fixture(scope="module")
def old_code(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the newest commit that had the old schema, from the history."""
    heads = git(repo_root, "log", "--first-parent", "--format=%H", "--", "digest/runtime/db.py").decode().split()
    mark = f'HEAD = "{OLD_REVISION}"'.encode()
    old = next((one for one in heads if mark in git(repo_root, "show", f"{one}:digest/runtime/db.py")), None)
    if old is None:
        pytest.skip("the history does not reach back to the old version: this is no clone, or a shallow one")
    packages = git(repo_root, "archive", old, "digest", "subscribers", "templates")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(packages)) as archive:
        archive.extraction_filter = lambda member, _: member  # of our own commit; the argument came with 3.11.4
        archive.extractall(folder)
    return folder


@pytest.fixture
def empty(world: World) -> World:
    """A world whose database has no table yet."""
    engine = make_engine(world.environment["DIGEST_DATABASE__URL"])
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    if engine.dialect.name == "sqlite":
        for path in world.folder.parent.glob("digest.db*"):
            path.unlink()
    return world


def older(world: World, code: Path) -> World:
    """The same world, seen by the old version."""
    twin = Older(world.folder, world.database_url)
    twin.environment["PYTHONPATH"] = str(code)
    return twin


class Older(World):
    """A world whose every command is a process: the old code is not in this one."""

    def digest(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        return self.process(*arguments, expect=expect, cwd=cwd)


def revision(world: World) -> str:
    engine = make_engine(world.environment["DIGEST_DATABASE__URL"])
    with engine.connect() as connection:
        found = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
    engine.dispose()
    return found


def test_an_old_send_goes_on_while_the_schema_is_upgraded(empty: World, old_code: Path, tmp_path: Path) -> None:
    new, old = empty, older(empty, old_code)
    new.folder.parent.mkdir(exist_ok=True)
    old.digest("init", str(new.folder), "--sample", cwd=new.folder.parent)
    assert revision(new) == OLD_REVISION
    new.digest("tick", expect=4)  # the new version does not touch an old schema
    old.digest("subscribers", "import", str(crowd(tmp_path, [f"r{n}@example.org" for n in range(READERS)])))
    old.approve_issue_21()
    with Sink(tmp_path / "sink", rules=SinkRules(delay=0.1)) as sink:
        sending = old.start("send", "21", "--yes", "--relay", sink.url)
        deadline = time.monotonic() + WAIT_SECONDS
        while arrived(sink.maildir) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sending.poll() is None
        new.digest("db", "upgrade")
        before = arrived(sink.maildir)
        assert revision(new) == HEAD != OLD_REVISION
        told = sending.communicate(timeout=WAIT_SECONDS * 2)
        assert sending.returncode in {0, 1}, told
        # an old process that begins now refuses, in words, and sends nothing
        refused = old.start("worker", "--relay", sink.url)
        out, err = refused.communicate(timeout=WAIT_SECONDS)
        assert refused.returncode == 4, out
        assert "newer" in err
        new.digest("worker", "--relay", sink.url)
        got = copies(sink.maildir)
    assert max(got.values()) == 1
    counted = states(new)
    assert counted == {"accepted": len(got)}, (counted, before)
    assert len(got) >= READERS
    status = new.json("outbox", "status", "21")
    assert status["planned"] == len(got)


@pytest.mark.one_database
def test_a_worker_ends_when_the_schema_is_newer_than_it(sample: World) -> None:
    engine = make_engine(sample.environment["DIGEST_DATABASE__URL"])
    with staying(sample) as worker:
        _promise(engine, "before")
        wait_until(lambda: worker.says("1 accepted"))
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        _promise(engine, "after")
        assert _ended(worker) == 4, worker.said
        assert any("newer" in line for line in worker.said)
    engine.dispose()
    assert arrived(sample.folder / "outbox") == 1


def _promise(engine: Engine, key: str) -> None:
    with session_scope(engine) as session:
        due = datetime(2021, 9, 1, tzinfo=UTC)
        notices.promise(session, NoticeKind.GOODBYE, key, address="ada@example.org", language="en", now=due)


def _ended(worker: Stayer) -> int:
    """Wait for a worker that ends by itself; return its exit code."""
    with suppress(subprocess.TimeoutExpired):
        worker.process.wait(WAIT_SECONDS)
    return worker.end(signal.SIGKILL)[0]
