"""Worker registry and liveness: a file lock on this machine, a heartbeat elsewhere."""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from sqlalchemy import delete, select, update
from sqlmodel import Session

from digest.outbox.dialects import database_now, insert_new
from digest.outbox.journal import LAST, SUFFIX, JournalContents, read_journal
from digest.outbox.tables import WORKER
from digest.runtime.atomic_file import private_folder
from digest.runtime.clock import boot_id

HEARTBEAT_EVERY = timedelta(seconds=10)
SILENT_AFTER = timedelta(seconds=60)


class WorkerLock:
    """A file lock, held while the worker lives; the system frees it however the process ends."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        self.path = folder / f"{worker_id}.lock"
        self._file: IO[bytes] | None = None

    def acquire(self) -> None:
        private_folder(self.path.parent)
        self._file = self.path.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def release(self, *, clean: bool) -> None:
        """Free the lock. Its file stays unless the worker has signed off (`clean`): unlocked, it means that it died."""
        if clean:
            self.path.unlink(missing_ok=True)
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True, slots=True)
class WorkerLiveness:
    """Checks whether workers live, by this machine's locks and the heartbeats of others."""

    host: str
    folder: Path

    def lives(self, worker: Mapping[str, Any], database_time: datetime) -> bool:
        """Return whether the worker (a row of the table) may still be sending."""
        if worker["stopped_at"] is not None:
            return False
        if worker["host"] == self.host:
            locked = self._locked(str(worker["id"]))
            if locked is not None:
                return locked
        beat: datetime = worker["heartbeat_at"]
        return database_time - beat <= SILENT_AFTER

    def journal(self, worker_id: str) -> JournalContents | None:
        """Return the journal of a worker that died on this machine since its boot; None if nothing is proven.

        Whoever still holds the lock (a child, a stopped process) may still send.
        """
        found = read_journal(self.folder / f"{worker_id}{SUFFIX}") if self._locked(worker_id) is False else None
        is_own = found and found.boot and (found.worker_id, found.host, found.boot) == (worker_id, self.host, boot_id())
        return found if is_own else None

    def dead_journals(self, database: str) -> list[Path]:
        """Return the journals of workers of a database that died here, and those that cannot be read."""
        dead = [path for path in self.folder.glob(f"*{SUFFIX}") if self._locked(path.stem) is False]
        read = [(path, read_journal(path)) for path in dead]
        return [path for path, it in read if it is None or (it.host, it.database) == (self.host, database)]

    def marks(self, database: str) -> list[tuple[Path, JournalContents]]:
        """Return what workers of a database, of any machine, have left in the folder, but for those that live here."""
        paths = [*self.folder.glob(f"*{SUFFIX}"), self.folder / LAST]
        read = [(path, read_journal(path)) for path in paths if not self._locked(path.stem)]
        return [(path, it) for path, it in read if it is not None and it.database == database]

    def _locked(self, worker_id: str) -> bool | None:
        """Return whether the lock is held; None without such a file, as for another workspace on this machine."""
        try:
            file = (self.folder / f"{worker_id}.lock").open("rb")
        except FileNotFoundError:
            return None
        with file:
            try:
                # shared, so that two concurrent checks do not take each other for the worker
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def register(session: Session, worker_id: str, host: str, now: datetime) -> None:
    """Sign on; safe to repeat. The lock must be held already, so that the row is never seen without it."""
    session.execute(
        insert_new(session, WORKER).values(
            id=worker_id, host=host, pid=os.getpid(), started_at=now, heartbeat_at=database_now(session)
        )
    )


def beat(session: Session, worker_id: str) -> None:
    """Update the heartbeat, by the database's clock."""
    session.execute(update(WORKER).where(WORKER.c.id == worker_id).values(heartbeat_at=database_now(session)))


def sign_off(session: Session, worker_id: str, now: datetime) -> None:
    """Note that this worker has ended and holds nothing."""
    session.execute(update(WORKER).where(WORKER.c.id == worker_id).values(stopped_at=now))


def forget(session: Session, worker_id: str) -> None:
    """Remove a worker that has started nothing, and ends."""
    session.execute(delete(WORKER).where(WORKER.c.id == worker_id))


def lives(session: Session, worker_id: str | None, liveness: WorkerLiveness) -> bool:
    """Return whether this worker may still be sending; one that never signed on may not."""
    row = session.execute(select(WORKER).where(WORKER.c.id == worker_id)).mappings().first()
    return row is not None and liveness.lives(dict(row), database_now(session))
