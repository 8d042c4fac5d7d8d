"""Workers that stay, as processes, and what the database says meanwhile."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import func, select

from digest.outbox.tables import DELIVERY
from digest.runtime.db import make_engine
from tests.support.world import WAIT_SECONDS, World, wait_until


class Stayer:
    """`digest worker --stay` in a process of its own, and what it says."""

    def __init__(self, world: World, *arguments: str) -> None:
        self.said: list[str] = []
        self.process = world.start("worker", "--stay", *arguments)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))

    def says(self, part: str) -> bool:
        if self.process.poll() is not None and not any(part in line for line in self.said):
            raise AssertionError(f"ended with {self.process.returncode}: {self.said}")
        return any(part in line for line in self.said)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit code and stdout."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        code = self.process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        told = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, told


@contextmanager
def staying(world: World, *arguments: str) -> Iterator[Stayer]:
    stayer = Stayer(world, *arguments)
    try:
        wait_until(lambda: stayer.says("Running until stopped"))
        yield stayer
    finally:
        if stayer.process.returncode is None:
            stayer.end(signal.SIGKILL)


def states(world: World) -> dict[str, int]:
    """How many deliveries are in each state that is not empty; read here, since a process each time would be slow."""
    engine = make_engine(world.environment["DIGEST_DATABASE__URL"])
    query = select(DELIVERY.c.state, func.count()).group_by(DELIVERY.c.state)
    with engine.connect() as connection:
        found = {row.state: row.count for row in connection.execute(query)}
    engine.dispose()
    return found
