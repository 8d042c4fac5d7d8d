"""issue_run: whoever inserts (schedule, period) owns the month, on both databases, also when many try at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

from sqlalchemy import Engine

from digest import runs
from digest.runtime.db import session_scope

MONTHLY, PERIOD = "monthly", "2021-09"


def test_of_eight_that_claim_at_once_one_wins(engine: Engine, now: datetime) -> None:
    for round_ in range(5):
        start, period = Barrier(8), f"2021-{round_ + 1:02d}"

        def claim(number: int, start: Barrier = start, period: str = period) -> bool:
            start.wait()
            with session_scope(engine) as session:
                return runs.claim(session, MONTHLY, period, now, by=str(number), now=now) is not None

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(claim, range(8))) == 1
    with session_scope(engine, read_only=True) as session:
        assert len(runs.history(session)) == 5


def test_the_first_look_fixes_since_when_the_schedule_counts(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        assert runs.install(session, MONTHLY, now) == now
    with session_scope(engine) as session:
        assert runs.install(session, MONTHLY, now + timedelta(days=3)) == now


def test_a_dead_run_is_taken_over_once_it_is_stale_and_by_one(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        runs.claim(session, MONTHLY, PERIOD, now, by="dead", now=now)
    with session_scope(engine) as session:
        assert runs.unfinished(session, MONTHLY, "early", now + timedelta(minutes=1)) == []
    later, start = now + runs.STALE_AFTER + timedelta(seconds=1), Barrier(4)

    def take_over(number: int) -> int:
        start.wait()
        with session_scope(engine) as session:
            return len(runs.unfinished(session, MONTHLY, str(number), later))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take_over, range(4))) == 1


def test_a_waiting_run_is_looked_at_each_time_and_a_finished_one_never(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        run = runs.claim(session, MONTHLY, PERIOD, now, by="a", now=now)
        assert run is not None
        runs.note(run, runs.RunState.WAITING, "approve", "not approved", now)
    with session_scope(engine) as session:
        [run] = runs.unfinished(session, MONTHLY, "b", now)
        runs.note(run, runs.RunState.DONE, "deliver", "", now)
    with session_scope(engine) as session:
        assert runs.unfinished(session, MONTHLY, "c", now + timedelta(days=1)) == []


def test_a_skipped_period_cannot_be_claimed(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        assert runs.record(session, MONTHLY, PERIOD, now, state=runs.RunState.SKIPPED, why="by hand", now=now)
    with session_scope(engine) as session:
        assert runs.claim(session, MONTHLY, PERIOD, now, by="a", now=now) is None
        assert not runs.record(session, MONTHLY, PERIOD, now, state=runs.RunState.MISSED, why="late", now=now)
