"""Folders of a machine's workers: locks with journals, and leftovers."""

import socket
from dataclasses import dataclass
from pathlib import Path

from digest.outbox.workers import WorkerLiveness


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """A machine's name, its folder of worker locks, and that of outcomes the database did not take."""

    host: str
    locks: Path
    leftovers: Path

    @classmethod
    def of(cls, workspace: Path) -> "WorkerPlace":
        state = workspace / ".state"
        return cls(socket.gethostname(), state / "workers", state / "outcomes")

    @property
    def liveness(self) -> WorkerLiveness:
        return WorkerLiveness(self.host, self.locks)
