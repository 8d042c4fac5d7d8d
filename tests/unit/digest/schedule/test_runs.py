"""issue_run: whoever inserts (schedule, period) owns the month, on both databases, also when many try at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, update
from sqlmodel import Session, col

from digest.outbox.dialects import database_now
from digest.runtime.db import session_scope
from digest.schedule import runs
from digest.schedule.heartbeat import Heartbeat

MONTHLY, PERIOD = "monthly", "2021-09"
SILENT = timedelta(minutes=2)


def claimed(engine: Engine, now: datetime, by: str = "dead") -> runs.IssueRun:
    with session_scope(engine) as session:
        run = runs.claim(session, MONTHLY, PERIOD, now, by=by, now=now)
    assert run is not None
    return run


def set_heartbeat(engine: Engine, ago: timedelta) -> None:
    with session_scope(engine) as session:
        session.execute(update(runs.IssueRun).values(heartbeat_at=database_now(session) - ago))


def at_once(engine: Engine, count: int, work: Callable[[Session, str], bool]) -> int:
    """How many of `count` threads had success, begun at the same moment."""
    start = Barrier(count)

    def one(number: int) -> bool:
        start.wait()
        with session_scope(engine) as session:
            return work(session, str(number))

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(one, range(count)))


def test_of_eight_that_claim_at_once_one_wins(engine: Engine, now: datetime) -> None:
    for month in range(1, 6):

        def claim(session: Session, by: str, month: int = month) -> bool:
            return runs.claim(session, MONTHLY, f"2021-{month:02d}", now, by=by, now=now) is not None

        assert at_once(engine, 8, claim) == 1
    with session_scope(engine, read_only=True) as session:
        assert len(runs.history(session)) == 5


def test_the_first_look_fixes_since_when_the_schedule_counts(engine: Engine, now: datetime) -> None:
    for later in (0, 3, 40):
        with session_scope(engine) as session:
            assert runs.install(session, MONTHLY, now + timedelta(days=later)) == now


@pytest.mark.parametrize("ago", [SILENT + timedelta(seconds=5), -timedelta(days=1)], ids=["silent", "clock put back"])
def test_a_dead_run_is_taken_over_by_one(engine: Engine, now: datetime, ago: timedelta) -> None:
    claimed(engine, now)
    with session_scope(engine) as session:
        assert runs.take_over(session, "early", SILENT, now) == []
    set_heartbeat(engine, ago)
    assert at_once(engine, 4, lambda session, by: bool(runs.take_over(session, by, SILENT, now))) == 1


def test_a_waiting_run_is_looked_at_each_time_a_done_one_never(engine: Engine, now: datetime) -> None:
    run = claimed(engine, now)
    with session_scope(engine) as session:
        runs.note(run, runs.RunState.WAITING, "approve", "not approved", now)
        runs.save(session, run)
    with session_scope(engine) as session:
        [run] = runs.take_over(session, "b", SILENT, now)
        runs.note(run, runs.RunState.DONE, "deliver", "", now)
        runs.save(session, run)
    with session_scope(engine) as session:
        assert runs.take_over(session, "c", timedelta(0), now) == []


def test_who_was_taken_for_dead_can_no_longer_write(engine: Engine, now: datetime) -> None:
    run = claimed(engine, now)
    set_heartbeat(engine, SILENT * 2)
    with session_scope(engine) as session:
        [taken] = runs.take_over(session, "other", SILENT, now)
    runs.note(run, runs.RunState.DONE, "report", "", now)
    with pytest.raises(runs.RunLostError), session_scope(engine) as session:
        runs.save(session, run)
    with session_scope(engine) as session:
        assert not runs.beat(session, run.id or 0, run.claimed_by)
        assert runs.beat(session, run.id or 0, taken.claimed_by)
        assert runs.history(session)[0].state == runs.RunState.RUNNING


def test_while_it_beats_nobody_takes_it_and_a_lost_one_notices(engine: Engine, now: datetime) -> None:
    silent = timedelta(seconds=3)  # a busy machine may take a while for a beat
    with Heartbeat(engine, claimed(engine, now), silent) as heart:
        deadline = time.monotonic() + 2.5 * silent.total_seconds()
        while time.monotonic() < deadline:
            with session_scope(engine) as session:
                assert runs.take_over(session, "other", silent, now) == []
            time.sleep(0.2)
        with session_scope(engine) as session:
            session.execute(update(runs.IssueRun).where(col(runs.IssueRun.period) == PERIOD).values(claimed_by="other"))
        while not heart.lost:
            time.sleep(0.05)  # the test's own time limit ends it


def test_a_skipped_period_cannot_be_claimed(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        assert runs.record(session, MONTHLY, PERIOD, now, state=runs.RunState.SKIPPED, why="by hand", now=now)
    with session_scope(engine) as session:
        assert runs.claim(session, MONTHLY, PERIOD, now, by="a", now=now) is None
        assert not runs.record(session, MONTHLY, PERIOD, now, state=runs.RunState.MISSED, why="late", now=now)


def test_what_a_clock_that_was_ahead_called_missed_waits_again(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        for period, days in (("2021-08", -5), (PERIOD, 5)):
            due_at, state = now + timedelta(days=days), runs.RunState.MISSED
            assert runs.record(session, MONTHLY, period, due_at, state=state, why="late", now=now)
    with session_scope(engine) as session:
        assert runs.reopen_early(session, now) == [PERIOD]
        assert [run.period for run in runs.take_over(session, "a", SILENT, now)] == [PERIOD]
