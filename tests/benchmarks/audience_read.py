"""Commands that read all readers or all deliveries: their CPU time, less that of a command that reads none; memory."""

import sys
from collections.abc import Iterator

from audience import Bench
from measure import Run, run
from report import Bound, Row, Spread
from world import World, plan


def _command(world: World, *arguments: str) -> Run:
    command = [sys.executable, "-m", "digest", "--workspace", str(world.workspace), *arguments]
    return run(command, environment=world.environment, folder=world.workspace)


def _measure(bench: Bench, kind: str) -> Iterator[Row]:
    count = bench.sizes.readers
    world = plan(bench.place(), bench.base(kind), count)
    nothing = ("issue", "show", "21", "--json")
    lists = {
        f"outbox list --jsonl, {count:,} deliveries": ("outbox", "list", "21", "--jsonl"),
        f"outbox list, the first page of {count:,}": ("outbox", "list", "21"),
        f"subscribers stats, {count:,} readers": ("subscribers", "stats"),
    }
    bounds = (60.0, 0.5, 0.5)
    for (shown, arguments), bound in zip(lists.items(), bounds, strict=True):
        pairs = bench.rounds(lambda own=arguments: _command(world, *own), lambda: _command(world, *nothing))
        seconds = Spread.of([max(mine.cpu - base.cpu, 0.01) for mine, base in pairs])
        name = f"{'-'.join(arguments[:2])}{'-all' if '--jsonl' in arguments else ''}-{kind}"
        peak = {"peak memory, MiB": Spread.of([mine.peak for mine, _ in pairs])}
        what = f"{shown}: CPU, less that of issue show ({kind})"
        yield Row(
            name, what, "s", seconds, None, seconds, Bound(bound, below=True), len(pairs), details=peak, suffix=" s"
        )


def sqlite(bench: Bench) -> Iterator[Row]:
    """All of it on SQLite."""
    return _measure(bench, "sqlite")


def postgresql(bench: Bench) -> Iterator[Row]:
    """All of it on PostgreSQL."""
    return _measure(bench, "postgresql")


ROWS = {"read-sqlite": sqlite, "read-postgresql": postgresql}
