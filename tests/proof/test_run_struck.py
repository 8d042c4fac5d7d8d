"""At each step of the run something strikes: the next look goes on, each reader has one mail, and the numbers add up.

kill -9 and SIGTERM, a database that goes away and comes back, a disk that is full and has room again.
"""

import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest.cli.progress import STOPPING
from digest.issues.period import Period
from digest.schedule.run import STEPS
from tests.proof.conftest import MakeRelay
from tests.proof.months import FIRST, HERE, TAKEOVER, Months
from tests.proof.press import Relay, wait_until
from tests.proof.struck_run import HERE as STANDS
from tests.support.halves import half
from tests.support.postgres import Cluster
from tests.support.small_disk import filled, small_disk

READERS = 5
LATER = {"deliver", "report"}
"""Steps that a run reaches only when its canary has had its time."""
Strike = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Struck:
    """A look that was struck, how it ended, and what it said on stderr."""

    step: str
    code: int
    said: str


@dataclass(frozen=True)
class Form:
    """How much is struck: in the long form each step, and the real command does everything.

    In the short form a test strikes every second step, and another one, on the other database, the steps between. A look
    that is not struck is one of this process, and time passes because a heartbeat is moved into the past.
    """

    slow: bool

    def steps(self, turn: int) -> list[str]:
        """The steps to strike; two tests with turns 0 and 1 strike them all."""
        names = [name for name, _ in STEPS]
        return names if self.slow else list(half(names, turn))


@pytest.fixture
def form(slow: bool) -> Form:
    return Form(slow)


@pytest.fixture
def turn(database_kind: str) -> int:
    """Each database its own half."""
    return int(database_kind == "postgresql")


@contextmanager
def months_at(
    folder: Path,
    url: str,
    relay: Relay,
    *,
    months: int = len(STEPS),
    readers: int = READERS,
    delivery: str = 'canary = "2"\ncanary_wait = "1m"',
) -> Iterator[Months]:
    made = Months(folder, url, months=months, readers=readers, relay_port=relay.port, delivery=delivery)
    with closing(made):
        made.look(made.due(FIRST) - timedelta(days=20))
        yield made


@pytest.fixture
def sink(relay: MakeRelay) -> Relay:
    return relay(0.0)


@pytest.fixture
def months(tmp_path: Path, database_url: str, sink: Relay) -> Iterator[Months]:
    with months_at(tmp_path, database_url, sink) as made:
        yield made


# Kill and SIGTERM


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_each_step_another_takes_over(months: Months, sink: Relay, form: Form, turn: int, when: str) -> None:
    steps = form.steps(turn + (when == "after"))
    for step, period in at_each(steps):
        due = reached(months, form, step, period)
        process = standing(months, step, when, due)
        process.kill()
        process.communicate(timeout=180)
        assert process.returncode == -signal.SIGKILL
        run = months.runs()[str(period)]
        assert (run.state, run.step) == ("running", step)
        goes_on(months, form, period, due, silent=True)
        assert months.runs()[str(period)].claimed_by != run.claimed_by
    everybody_has_one(months, sink, steps)


@pytest.mark.timeout(1_800)
def test_told_to_stop_at_each_step_it_leaves_the_rest(months: Months, sink: Relay, form: Form, turn: int) -> None:
    steps = form.steps(turn)
    for step, period in at_each(steps):
        due = reached(months, form, step, period)
        process = standing(months, step, "before", due)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate("\n", timeout=180)
        assert process.returncode == 0, (out, err)
        assert err in {"", f"{STOPPING}\n"}, "a delivery that has just looked around says that it stops"
        run = months.runs()[str(period)]
        if step == "report":  # what it was at is finished, and that was the last
            assert run.state == "done"
            continue
        assert run.state == "waiting"
        assert "stop" in out
        goes_on(months, form, period, due, silent=False)
    everybody_has_one(months, sink, steps)


@pytest.mark.timeout(1_800)
def test_told_to_stop_while_it_delivers_it_ends_soon(
    tmp_path: Path, database_url: str, relay: MakeRelay, form: Form
) -> None:
    slow = relay(0.5)
    with months_at(tmp_path, database_url, slow, months=1, readers=60, delivery="") as months:
        due = months.due(FIRST)
        process = months.start("tick", moment=due)
        wait_until(lambda: slow.taken() > 0, "the first mail", process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, "Stopping" in err) == (0, True), (out, err)
        assert 0 < slow.taken() < 60, "what was on the wire, and no more"
        assert months.runs()[str(FIRST)].state == "waiting"
        goes_on(months, form, FIRST, due, silent=False)
        assert set(slow.counts().values()) == {1}
        assert {row.state for row in months.deliveries()} == {"accepted"}


# The database


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("when", ["before", "after"])
def test_postgresql_goes_away_at_each_step(
    tmp_path: Path, cluster: tuple[Cluster, str], sink: Relay, form: Form, when: str
) -> None:
    server, url = cluster

    @contextmanager
    def away() -> Iterator[None]:
        server.stop_immediately()
        yield
        server.start()

    steps = form.steps(int(when == "after"))
    with months_at(tmp_path, url, sink) as months:
        for one in struck_at_each(months, form, steps, when, away):
            assert one.code == 4, one
            assert "The database failed" in one.said
        everybody_has_one(months, sink, steps)


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("when", ["before", "after"])
def test_sqlite_is_locked_at_each_step(
    tmp_path: Path, sqlite_template: Path, sink: Relay, form: Form, when: str
) -> None:
    file = shutil.copyfile(sqlite_template, tmp_path / "digest.db")

    @contextmanager
    def locked() -> Iterator[None]:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    steps = form.steps(int(when == "before"))  # the steps at which PostgreSQL does not go away
    with months_at(tmp_path, f"sqlite:///{file}", sink) as months:
        for one in struck_at_each(months, form, steps, when, locked):
            assert one.code == 4, one
            assert "locked" in one.said
        everybody_has_one(months, sink, steps)


# The disk


@pytest.mark.timeout(1_800)
def test_the_disk_is_full_at_each_step(
    tmp_path: Path, database_kind: str, database_url: str, sqlite_template: Path, sink: Relay, form: Form
) -> None:
    """The workspace's disk: SQLite's database is on it, PostgreSQL's is not, and needs no room there."""
    with small_disk(tmp_path / "small", 32) as disk:
        on_it = database_kind == "sqlite"
        url = f"sqlite:///{shutil.copyfile(sqlite_template, disk / 'digest.db')}" if on_it else database_url
        steps = form.steps(0) + (form.steps(1) if on_it and not form.slow else [])
        with months_at(disk, url, sink) as months:
            for one in struck_at_each(months, form, steps, "before", lambda: filled(disk)):
                assert one.code == (4 if on_it else 0), one
                assert ("disk is full" in one.said) == on_it
            everybody_has_one(months, sink, steps)


# How it goes


def at_each(steps: Sequence[str]) -> Iterator[tuple[str, Period]]:
    """Each step with a month of its own."""
    period = FIRST
    for step in steps:
        yield step, period
        period = period.next


def reached(months: Months, form: Form, step: str, period: Period) -> datetime:
    """Bring a month's run so far that the next look reaches `step`; return when that look is to be."""
    due = months.due(period)
    if step in LATER:
        look(months, due, real=form.slow)  # the canary goes
        due += timedelta(minutes=2)
    return due


def look(months: Months, moment: datetime, *, real: bool) -> list[str]:
    """Look at the clock, with the command or in this process; return the periods that it told of."""
    if real:
        return [entry["period"] for entry in months.tick(moment)]
    return [entry.period for entry in months.look(moment)]


def standing(months: Months, step: str, when: str, moment: datetime) -> subprocess.Popen[str]:
    """Start a look that stands still at `step`."""
    process = months.start(step, when, moment=moment, program=[str(HERE / "struck_run.py")])
    assert process.stdout is not None
    assert process.stdout.readline() == STANDS, process.communicate()
    return process


def struck_at_each(months: Months, form: Form, steps: Sequence[str], when: str, strike: Strike) -> Iterator[Struck]:
    """Strike a look at each of the steps, and see that the next one goes on."""
    for step, period in at_each(steps):
        due = reached(months, form, step, period)
        process = standing(months, step, when, due)
        with strike():
            _, said = process.communicate("\n", timeout=180)
        assert "Traceback" not in said
        yield Struck(step, process.returncode, said)
        goes_on(months, form, period, due, silent=True)


def goes_on(months: Months, form: Form, period: Period, due: datetime, *, silent: bool) -> None:
    """See that the run comes to its end by itself; `silent`: when its process has given no sign of life for long."""
    real = form.slow or period == FIRST
    if silent and real:
        time.sleep(TAKEOVER + 0.5)
    elif silent:
        months.silent_for(period, TAKEOVER + 0.5)
    after = due
    while months.runs()[str(period)].state != "done":
        told = [one for one in look(months, after, real=real) if one == str(period)]
        assert told, "nobody took over"
        after += timedelta(minutes=2)
        assert after < due + timedelta(hours=1), told


def everybody_has_one(months: Months, sink: Relay, steps: Sequence[str]) -> None:
    rows = list(months.deliveries())
    assert {row.state for row in rows} == {"accepted"}
    assert len(rows) == len(steps) * READERS
    counts = sink.counts()
    assert set(counts.values()) == {1}
    assert sum(counts.values()) == len(steps) * READERS
    for run in months.runs().values():
        assert run.detail["report"]["planned"] == run.detail["report"]["accepted"] == READERS
