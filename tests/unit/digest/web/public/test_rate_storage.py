"""Counts that several processes share: none is lost, none outlives its window, on both databases."""

import multiprocessing
import threading

import pytest
from limits import parse
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine, func, select
from sqlmodel import SQLModel

from digest.runtime.db import make_engine
from digest.web.public.rate_storage import CLEAN_SECONDS, DatabaseStorage

TABLE = SQLModel.metadata.tables["rate_window"]


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_600_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(engine: Engine, clock: Clock) -> DatabaseStorage:
    return DatabaseStorage(engine, clock)


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(TABLE)).scalar_one())


def test_a_window_counts_until_it_is_over_and_begins_anew(storage: DatabaseStorage, clock: Clock) -> None:
    assert storage.get("k") == 0
    assert [storage.incr("k", 60), storage.incr("k", 60), storage.incr("k", 60, amount=5)] == [1, 2, 7]
    assert storage.incr("other", 60) == 1
    assert storage.get("k") == 7
    assert storage.get_expiry("k") == clock.seconds + 60
    clock.seconds += 59
    assert storage.incr("k", 60) == 8
    clock.seconds += 1  # 60 s after the first
    assert storage.get("k") == 0
    assert storage.incr("k", 60) == 1
    assert storage.get_expiry("k") == clock.seconds + 60


def test_it_is_the_storage_that_the_library_wants(storage: DatabaseStorage) -> None:
    limiter = FixedWindowRateLimiter(storage)
    item = parse("3/hour")
    assert [limiter.hit(item, "a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limiter.test(item, "b")
    assert not limiter.test(item, "a")
    assert limiter.get_window_stats(item, "a").remaining == 0
    limiter.clear(item, "a")
    assert limiter.test(item, "a")
    assert storage.check()
    storage.incr("x", 10)
    assert storage.reset() == 1


def test_what_is_over_is_deleted_after_a_while(engine: Engine, storage: DatabaseStorage, clock: Clock) -> None:
    for number in range(20):
        storage.incr(f"k{number}", 60)
    storage.incr("long", 10 * CLEAN_SECONDS)
    assert rows(engine) == 21
    clock.seconds += CLEAN_SECONDS + 1
    storage.incr("k0", 60)
    assert rows(engine) == 2


def test_a_database_that_is_away_is_told(tmp_path: object) -> None:
    storage = DatabaseStorage(make_engine("postgresql://nobody:x@127.0.0.1:1/none"))
    assert not storage.check()


def test_threads_lose_no_count(storage: DatabaseStorage) -> None:
    seen: list[int] = []

    def count() -> None:
        seen.extend([storage.incr("k", 60) for _ in range(25)])

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 201))  # each number was given out once


def _hits(url: str, results: "multiprocessing.queues.Queue[int]") -> None:
    engine = make_engine(url)
    limiter = FixedWindowRateLimiter(DatabaseStorage(engine))
    item = parse("50/hour")
    results.put(sum(limiter.hit(item, "network") for _ in range(40)))
    engine.dispose()


def test_processes_share_one_limit(database_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.queues.Queue[int] = spawn.Queue()
    processes = [spawn.Process(target=_hits, args=(database_url, results)) for _ in range(3)]
    for process in processes:
        process.start()
    admitted = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert sum(admitted) == 50
    results.close()
