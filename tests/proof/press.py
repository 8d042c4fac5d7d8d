"""A workspace whose issue 21 is being sent to any number of readers, real workers, and what the relay has counted."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, insert, select, update
from sqlmodel import Session

from digest.app import App, open_app
from digest.delivery.worker.window import TAKE
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.outbox import plan
from digest.outbox.states import UNFINISHED, State
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, SUBSCRIBER
from digest.render.slots import SlotTokens
from digest.runtime.db import make_engine, session_scope
from subscribers.audience import exclusion_reason
from subscribers.suppression import key_of
from tests.acceptance.conftest import free_port, wait_for_port
from tests.support.empty_workspace import copy_empty_workspace

HERE = Path(__file__).parent
WAIT_SECONDS = 120
WINDOW = 2 * TAKE
"""What a worker with a journal has started at most, by ten connections."""
NONCE = "0123456789abcdef"
_SLOTS = SlotTokens(NONCE)
_FOOT = f"{_SLOTS.unsubscribe_url} {_SLOTS.preferences_url}"


def wait_until(holds: Callable[[], Any], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Wait for something that has to come; with a process, no longer than that lives."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode} before {what}: {process.communicate()}")
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.002)


class Relay:
    """The counting server, in a process of its own, on a port that it keeps."""

    def __init__(self, folder: Path, delay: float = 0.0) -> None:
        self.file = folder / "counted"
        self.file.touch()
        self.port = free_port()
        self._delay = delay
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, str(HERE / "counting_sink.py"), "--port", str(self.port), "--file", str(self.file)]
        self._process = subprocess.Popen([*command, "--delay", str(self._delay)], text=True)
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def taken(self) -> int:
        """How many mails it has taken so far."""
        return self.file.read_bytes().count(b"\n")

    def counts(self) -> Counter[tuple[str, str]]:
        """How many it has taken, by recipient and Message-ID."""
        lines = self.file.read_text().splitlines()
        return Counter((recipient, own_id.strip("<>")) for recipient, own_id in (line.split(" ") for line in lines))


class Press:
    """The workspace and its database."""

    def __init__(self, folder: Path, database_url: str, readers: int) -> None:
        self.folder = folder
        self.database_url = database_url
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")},
            "DIGEST_DATABASE__URL": database_url,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        }
        self.planned = readers
        self._processes: list[subprocess.Popen[str]] = []
        copy_empty_workspace(folder)
        self._fill(readers)

    # Processes

    def digest(self, *arguments: str, cwd: Path | None = None, expect: Sequence[int] = (0,)) -> str:
        """Run a command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "digest", *arguments],
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode in expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *command: str, launch: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start a command; with `launch`, arguments of the launcher, by that."""
        program = [str(HERE / "launcher.py"), *launch, "--"] if launch else ["-m", "digest"]
        process = subprocess.Popen(
            [sys.executable, *program, *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def worker(self, relay: Relay, *launch: str) -> subprocess.Popen[str]:
        """Start `digest worker`."""
        return self.start("worker", "--relay", relay.url, "--json", launch=launch)

    def finish(self, relay: Relay) -> None:
        """Let a worker run to its end, and another, until nothing is left to do."""
        while True:
            process = self.worker(relay)
            told = process.communicate(timeout=WAIT_SECONDS * 4)
            assert process.returncode in {0, 1}, told
            if not {State.PENDING, State.STARTED} & self.standing().keys():
                return

    def end(self) -> None:
        """Leave nothing behind."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()
        self.disconnect()

    # The database

    @cached_property
    def engine(self) -> Engine:
        """A way of the test's own into the database."""
        return make_engine(self.database_url)

    @cached_property
    def works(self) -> App:
        """The workspace's parts, in this process."""
        before = os.environ.get("DIGEST_DATABASE__URL")
        os.environ["DIGEST_DATABASE__URL"] = self.database_url
        try:
            return open_app(self.folder)
        finally:
            os.environ.pop("DIGEST_DATABASE__URL")
            if before is not None:
                os.environ["DIGEST_DATABASE__URL"] = before

    def disconnect(self) -> None:
        """Close this process's own connections: nobody may have a file open that is to be replaced."""
        self.engine.dispose()
        self.works.engine.dispose()

    def freeze(self, process: subprocess.Popen[str]) -> None:
        """Stop a worker by SIGSTOP between two transactions: a lock of the database would stop everybody with it."""
        while True:
            process.send_signal(signal.SIGSTOP)
            if not self._holds_a_lock():
                return
            process.send_signal(signal.SIGCONT)

    def _holds_a_lock(self) -> bool:
        if self.engine.dialect.name == "postgresql":
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
            with self.engine.connect() as connection:
                return bool(connection.exec_driver_sql(query).scalar_one() > 1)  # one is this query
        with closing(sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
        return False

    def _fill(self, readers: int) -> None:
        now = datetime.now(UTC)
        secret = self.works.settings.suppression_key
        with session_scope(self.engine) as session:
            issue = Issue(number=21, period="2021-09", date=now.date(), state="sending", created_at=now)
            session.add(issue)
            session.flush()
            assert issue.id is not None
            self.issue_id: int = issue.id
            edition = self._edition(session, now)
            addresses = [f"reader{n}@example.org" for n in range(readers)]
            people = [
                {
                    "ref": f"{n:032x}",
                    "address": address,
                    "address_key": address,
                    "suppression_key": key_of(address, secret),
                    "name": f"Reader {n}",
                    "language": "en",
                    "format": "html",
                    "interests": "*",
                    "frequency": "every",
                    "state": "confirmed",
                    "confirmed_at": now,
                    "created_at": now,
                }
                for n, address in enumerate(addresses)
            ]
            session.execute(insert(SUBSCRIBER), people)
            made = plan.freeze(session, self.issue_id, {("en", "*"): edition}, exclusion_reason(now, 21), now)
        assert made.planned == readers
        self.disconnect()  # a worker begins with an empty log

    def _edition(self, session: Session, now: datetime) -> int:
        edition = Edition(
            issue_id=self.issue_id,
            content_hash="c" * 64,
            language="en",
            articles=[],
            subject="Issue 21",
            preheader="",
            nonce=NONCE,
            html=f"<p>{'An article about streets. ' * 400}</p><p>{_FOOT} {_SLOTS.view_url} {_SLOTS.interests}</p>",
            text="An article about streets.\n" * 100 + f"\n{_FOOT}\n",
            created_at=now,
        )
        session.add(edition)
        session.flush()
        assert edition.id is not None
        return edition.id

    def standing(self) -> Counter[State]:
        """How many deliveries are in each state that is not empty; the sum is always what was planned."""
        query = select(DELIVERY.c.state, func.count()).group_by(DELIVERY.c.state)
        with session_scope(self.engine, read_only=True) as session:
            found = Counter({State(state): count for state, count in session.execute(query)})
        assert sum(found.values()) == self.planned
        return found

    def rows(self) -> list[Any]:
        """Every delivery with its reader."""
        query = select(
            DELIVERY.c.id,
            DELIVERY.c.state,
            DELIVERY.c.reason,
            DELIVERY.c.attempts,
            SUBSCRIBER.c.address,
            SUBSCRIBER.c.ref,
        ).join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
        with session_scope(self.engine, read_only=True) as session:
            return list(session.execute(query.order_by(DELIVERY.c.id)))

    def attempts(self, *conditions: Any) -> int:
        """How many attempts of deliveries there are."""
        query = select(func.count()).select_from(ATTEMPT.join(DELIVERY, DELIVERY.c.id == ATTEMPT.c.delivery_id))
        with session_scope(self.engine, read_only=True) as session:
            count: int = session.execute(query.where(*conditions)).scalar_one()
        return count

    def make_due(self) -> None:
        """Let what was put off be due at once, as it is when its time has come."""
        with session_scope(self.engine) as session:
            session.execute(update(DELIVERY).where(DELIVERY.c.state == State.DEFERRED).values(due_at=datetime.now(UTC)))
            session.execute(update(ISSUE).values(state="sending"))

    # The verdict

    def check(self, relay: Relay, *, most_uncertain: int) -> int:
        """Everybody has exactly one mail, or is uncertain with a reason; return how many are."""
        standing = self.standing()
        assert not UNFINISHED & standing.keys(), standing
        own_ids = {row.ref: self.works.delivery.writer.message_id(21, row.ref).strip("<>") for row in self.rows()}
        counts = relay.counts()
        assert not {mail for mail, count in counts.items() if count > 1}, "somebody has two"
        of_issue = {recipient for recipient, own_id in counts if own_id in set(own_ids.values())}
        for row in self.rows():
            if row.state == State.UNCERTAIN:
                assert row.reason, row
            elif row.state == State.ACCEPTED:
                assert (row.address, own_ids[row.ref]) in counts, f"lost: {row}"
            else:
                assert row.address not in of_issue, f"counted and {row.state}: {row}"
        assert standing[State.UNCERTAIN] <= most_uncertain, standing
        return standing[State.UNCERTAIN]

    def uncertain_that_arrived(self, relay: Relay) -> int:
        """How many uncertain deliveries the relay has whole: their final bytes had been handed over."""
        arrived = {recipient for recipient, _ in relay.counts()}
        return sum(row.address in arrived for row in self.rows() if row.state == State.UNCERTAIN)


@contextmanager
def press_at(folder: Path, database_url: str, readers: int) -> Iterator[Press]:
    press = Press(folder, database_url, readers)
    try:
        yield press
    finally:
        press.end()
