"""A worker's process is killed between its take and its settlement: its lock tells, and its rows go to nobody."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from digest.outbox.workers import WorkerLiveness, lives
from digest.runtime.db import session_scope
from tests.support.ledger import HOST, Ledger

# Signs on, takes, tells that the take is committed, and waits to be killed or for its input to end.
WORKER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from digest.outbox.take import Taker, take
from digest.outbox.workers import WorkerLock, register
from digest.runtime.db import make_engine, session_scope
from subscribers.audience import exclusion_reason

url, folder, host, issue_id, committed = sys.argv[1:]
now = datetime(2021, 9, 30, tzinfo=UTC)
engine = make_engine(url)
lock = WorkerLock(Path(folder), "victim")
lock.acquire()
with session_scope(engine) as session:
    register(session, "victim", host, now)
with session_scope(engine) as session:
    taken = take(session, Taker("victim", ""), int(issue_id), exclusion_reason, limit=3, now=now)
    if committed == "no":
        print(len(taken.started), flush=True)
        sys.stdin.read()
print(len(taken.started), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def victim(ledger: Ledger, database_url: str, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    ledger.planned(5)
    arguments = [database_url, str(ledger.witness.folder), HOST, str(ledger.issue_id), request.param]
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "3\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("victim", ["yes"], indirect=True)
def test_killed_after_the_take_its_deliveries_become_uncertain(ledger: Ledger, victim: subprocess.Popen[str]) -> None:
    ledger.silence("victim", 10_000)
    assert ledger.recover() == 0  # it lives: the lock is held, whatever the heartbeat says
    with session_scope(ledger.engine) as session:
        assert lives(session, "victim", ledger.witness)
        assert not lives(session, "victim", WorkerLiveness("another machine", ledger.witness.folder))
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert ledger.recover() == 3
    assert ledger.counts() == {"uncertain": 3, "pending": 2}
    assert len(ledger.take(worker="w2")) == 2


@pytest.mark.parametrize("victim", ["no"], indirect=True)
def test_killed_before_the_takes_commit_nothing_was_started(ledger: Ledger, victim: subprocess.Popen[str]) -> None:
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    taken: list[int] = []
    while len(taken) < 5:  # PostgreSQL frees the locks when it notices that the connection is gone
        taken += [one.id for one in ledger.take(worker="w2")]
    assert sorted(taken) == [1, 2, 3, 4, 5]
    assert ledger.recover() == 5  # w2 never signed on
    assert len(ledger.attempts()) == 5
