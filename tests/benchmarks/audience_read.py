"""Commands that read all readers or all deliveries: their CPU time, less that of a command that reads none; memory."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from audience import Bench
from measure import Run, run
from report import Bound, Row, Spread
from world import World, plan

NOTHING = ("issue", "show", "21", "--json")
# Bounds in CPU seconds, for a million readers.
LISTS: dict[str, tuple[Sequence[str], float]] = {
    "outbox list --json": (("outbox", "list", "21", "--json"), 60.0),
    "outbox list --jsonl": (("outbox", "list", "21", "--jsonl"), 60.0),
    "outbox list, first page": (("outbox", "list", "21"), 0.5),
    "outbox list --state excluded": (("outbox", "list", "21", "--state", "excluded", "--json"), 20.0),
    "subscribers stats": (("subscribers", "stats"), 0.5),
    "subscribers export": (("subscribers", "export"), 90.0),
    "report": (("report", "21"), 2.0),
    "report --json": (("report", "21", "--json"), 40.0),
}
FIRST, PEAK = "first output after, s", "peak memory, MiB"
# The preview's first page as the server makes it, without a socket; prints the CPU seconds of the request.
FIRST_PAGE = """
import sys, time
from pathlib import Path
from fastapi.testclient import TestClient
from digest import app
from digest.web.app import preview_app
opened = app.open_app(Path(sys.argv[1]))
client = TestClient(preview_app(opened.publisher, 21, opened.clock), "http://127.0.0.1")
began = time.process_time()
assert client.get("/").status_code == 200
print(time.process_time() - began)
"""


def _command(world: World, *arguments: str) -> Run:
    command = [sys.executable, "-m", "digest", "--workspace", str(world.workspace), *arguments]
    return replace(run(command, environment=world.environment, folder=world.workspace), output="")


def _first_page(world: World) -> Run:
    command = [sys.executable, "-c", FIRST_PAGE, str(world.workspace)]
    return run(command, environment=world.environment, folder=world.workspace)


def _missed_by_many(world: World) -> World:
    """Let half of the deliveries be rejected, and a tenth of the readers have none."""
    with world.base.connect() as connection:
        connection.exec_driver_sql("DELETE FROM delivery WHERE id % 10 = 1")
        connection.exec_driver_sql("UPDATE delivery SET state = 'rejected', reason = '550 no' WHERE id % 2 = 0")
        connection.commit()
    return world


def _row(
    name: str, what: str, pairs: Sequence[tuple[Run, Run]], seconds: Sequence[float], bound: float, *more: str
) -> Row:
    spread = Spread.of([max(value, 0.01) for value in seconds])
    mine = [own for own, _ in pairs]
    figures = {PEAK: Spread.of([own.peak for own in mine]), FIRST: Spread.of([own.first for own in mine])}
    kept = {key: value for key, value in figures.items() if key in more}
    return Row(name, what, "s", spread, None, spread, Bound(bound, below=True), len(pairs), " s", kept)


def _measure(bench: Bench, kind: str) -> Iterator[Row]:
    count = bench.sizes.readers
    world = _missed_by_many(plan(bench.place(), bench.base(kind), count))
    for shown, (arguments, bound) in LISTS.items():
        pairs = bench.rounds(lambda own=arguments: _command(world, *own), lambda: _command(world, *NOTHING))
        name = f"{shown.replace(',', '').replace(' --', '-').replace(' ', '-')}-{kind}"
        what = f"{shown}, {count:,} readers: CPU, less that of issue show ({kind})"
        yield _row(name, what, pairs, [mine.cpu - base.cpu for mine, base in pairs], bound, PEAK, FIRST)
    few = plan(bench.place(), bench.base(kind), 3)
    pairs = bench.rounds(lambda: _first_page(world), lambda: _first_page(few))
    what = f"preview, first page, {count:,} readers: CPU, less that with three ({kind})"
    seconds = [float(mine.output) - float(base.output) for mine, base in pairs]
    yield _row(f"preview-{kind}", what, pairs, seconds, 0.5, PEAK)


def sqlite(bench: Bench) -> Iterator[Row]:
    """All of it on SQLite."""
    return _measure(bench, "sqlite")


def postgresql(bench: Bench) -> Iterator[Row]:
    """All of it on PostgreSQL."""
    return _measure(bench, "postgresql")


ROWS = {"read-sqlite": sqlite, "read-postgresql": postgresql}
