"""Where the workers of a machine keep their locks and their leftovers."""

import socket
from dataclasses import dataclass
from pathlib import Path

from digest.outbox.workers import WorkerLiveness


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """Where a worker lives: its machine's name, the folder of locks, and that of outcomes the database did not take."""

    host: str
    locks: Path
    leftovers: Path

    @classmethod
    def of(cls, workspace: Path) -> "WorkerPlace":
        """Return the place of this machine's workers in a workspace."""
        state = workspace / ".state"
        return cls(socket.gethostname(), state / "workers", state / "outcomes")

    @property
    def liveness(self) -> WorkerLiveness:
        """Says whether a worker of the database lives."""
        return WorkerLiveness(self.host, self.locks)
