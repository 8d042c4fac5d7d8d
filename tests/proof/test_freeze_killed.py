"""A freeze that is killed anywhere between its editions, their fragments and the deliveries has stored nothing."""

import signal
import subprocess
import sys

from sqlalchemy import text

from digest.runtime.db import make_engine
from tests.support.world import WAIT_SECONDS, World

# The real command, killed as by `kill -9` right after its first statement that begins so.
COMMAND = """
import os, signal, sys
from sqlalchemy import Engine, event
from digest.cli import main

after = sys.argv.pop(1)

@event.listens_for(Engine, "after_cursor_execute")
def strike(_connection, _cursor, statement, *_rest):
    if statement.startswith(after):
        os.kill(os.getpid(), signal.SIGKILL)

main()
"""
TABLES = ("edition", "fragment", "edition_fragment", "archived_article", "delivery")


def rows(world: World) -> dict[str, int]:
    engine = make_engine(world.database_url)
    with engine.connect() as connection:
        counts = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in TABLES}
    engine.dispose()
    return counts


def test_a_killed_freeze_leaves_nothing_half(approved: World, slow: bool) -> None:
    steps = [f"INSERT INTO {name}" for name in ("edition ", *TABLES[1:])] + ["UPDATE issue SET"]
    for mark in steps if slow else (steps[1], steps[-1]):
        command = [sys.executable, "-c", COMMAND, mark, "send", "21", "--yes"]
        ended = subprocess.run(
            command,
            cwd=approved.folder,
            env=approved.environment_now(),
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        assert ended.returncode == -signal.SIGKILL, (mark, ended)
        assert set(rows(approved).values()) == {0}, mark
    approved.digest("send", "21", "--yes")
    assert all(rows(approved).values())
    assert approved.json("issue", "verify", "21")["equal"] is True
