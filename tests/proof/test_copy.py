"""A database is copied to the other kind and back: equal byte for byte, and whole or not there if the copy is killed."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from digest.runtime import db
from tests.support.crowd import crowd
from tests.support.postgres import PostgresServer
from tests.support.world import World

SAID = [
    ["subscribers", "export"],
    ["outbox", "list", "21", "--json"],
    ["outbox", "status", "21", "--json"],
    ["issue", "show", "21", "--json"],
    ["issue", "list", "--json"],
    ["articles", "list", "--json"],
    ["suppress", "list", "--json"],
    ["report", "21", "--json"],
]


def everything(world: World, folder: Path) -> dict[str, object]:
    """What the commands say, and the bytes of the exported articles and archive."""
    said: dict[str, object] = {" ".join(command): world.call(*command).stdout for command in SAID}
    assert [command for command, text in said.items() if not text] == []
    world.digest("articles", "export", str(folder / "articles"))
    world.digest("archive", "export", str(folder / "archive"))
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(files) > 20
    return said | files


@contextmanager
def empty(world: World, postgres: PostgresServer, name: str, *, like: bool) -> Iterator[str]:
    """An empty database, of the world's kind or of the other one."""
    if world.database_url.startswith("sqlite") == like:
        yield f"sqlite:///{world.folder.parent / name}"
    else:
        with postgres.database("template0") as url:
            yield url


def test_a_copy_there_and_back_is_equal(sent: World, postgres: PostgresServer, tmp_path: Path) -> None:
    before = everything(sent, tmp_path / "before")
    with empty(sent, postgres, "there.db", like=False) as there, empty(sent, postgres, "back.db", like=True) as back:
        tables = sent.json("db", "copy", "--to", there)["tables"]
        sent.environment["DIGEST_DATABASE__URL"] = there
        assert everything(sent, tmp_path / "there") == before
        assert sent.json("db", "copy", "--to", back)["tables"] == tables
        sent.environment["DIGEST_DATABASE__URL"] = back
        assert everything(sent, tmp_path / "back") == before
        assert tables["delivery"]["rows"] == tables["attempt"]["rows"] > 20
        sent.digest("db", "check")


def test_a_killed_copy_is_refused_or_whole(sample: World, postgres: PostgresServer, slow: bool) -> None:
    path = crowd(sample.folder, [f"r{number}@example.org" for number in range(4_000)])
    sample.digest("subscribers", "import", str(path))
    random, kept, moments = Random(21), sample.database_url, 10 if slow else 2
    with empty(sample, postgres, "whole.db", like=False) as url:
        began = time.monotonic()
        sample.process("db", "copy", "--to", url)
        seconds = time.monotonic() - began
    found = []
    for moment in range(moments):
        with empty(sample, postgres, f"killed{moment}.db", like=False) as url:
            process = sample.start("db", "copy", "--to", url)
            time.sleep(seconds * random.uniform(0.3, 1))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            sample.environment["DIGEST_DATABASE__URL"] = url
            whole = sample.call("db", "check").returncode == 0
            stats = sample.call("subscribers", "stats").returncode
            sample.environment["DIGEST_DATABASE__URL"] = kept
            assert stats == (0 if whole else 4)
            again = sample.call("db", "copy", "--to", url).returncode
            assert again == (3 if whole else 0), "what is whole is kept, else the copy is made as if for the first time"
            engine = db.make_engine(url)
            with engine.connect() as connection:
                count = connection.exec_driver_sql("SELECT count(*) FROM subscriber").scalar_one()
            engine.dispose()
            assert count > 4_000
            found.append(whole)
    assert not all(found), "every moment came too late"
