"""Hand-over journal of a worker: the attempts whose final bytes it may have given to the kernel or to another system.

A file beside the worker's lock, mapped into memory: a mark costs no system call and outlives the process, not the
machine. It is set before the first byte of a message's end leaves, so an attempt of a dead worker that its journal does
not name was never sent. A journal that is missing, damaged, older than the attempt, or written on another machine or
before its last boot proves nothing.

It is also a mark outside of the database: an attempt that it names was committed before, so a database that does not
have it has lost transactions. The newest journal stays as `last.mark` when its worker has signed off.
"""

import json
import mmap
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import URL

from digest.outbox.tables import Promised
from digest.outbox.take import Started, microseconds
from digest.runtime.atomic_file import private_folder
from digest.runtime.clock import boot_id

SUFFIX = ".journal"
LAST = "last.mark"
SLOTS = 2048
"""Far more than a window: a settled attempt stays named until two thousand later ones have followed it."""
_HEADER_BYTES = 1024
_BODY = struct.Struct(">16sqq")
_SLOT = struct.Struct(">16sqqQ")
_NEWEST = _HEADER_BYTES  # the slot in front of the others
_FIRST = _HEADER_BYTES + _SLOT.size
_SIZE = _FIRST + SLOTS * _SLOT.size
_NOTHING = bytes(16)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """An attempt in a journal: what it promises, and when that was planned (microseconds since 1970)."""

    attempt_id: str
    promised: Promised
    id: int
    planned_at: int


@dataclass(frozen=True, slots=True)
class JournalContents:
    """What a journal says. `newest` is the last attempt taken, handed over or not; zeros if there was none."""

    worker_id: str
    host: str
    boot: str
    database: str
    newest: str
    attempts: Mapping[str, HandedOver]

    @property
    def is_complete(self) -> bool:
        """Whether nothing has been overwritten: it names all that the worker has handed over."""
        return len(self.attempts) < SLOTS

    @property
    def latest(self) -> str:
        """The newest attempt handed over; empty if there was none."""
        return max(self.attempts, default="")

    def is_older_than(self, attempt_id: str) -> bool:
        """Return whether the attempt was taken after this was written, or by another process."""
        process, count = slice(12, 24), slice(24, 32)
        return attempt_id[process] != self.newest[process] or attempt_id[count] > self.newest[count]


class Journal:
    """The journal that a living worker writes."""

    def __init__(self, path: Path, worker_id: str, host: str, database: str) -> None:
        self.path = path
        private_folder(path.parent)
        header = json.dumps({"worker_id": worker_id, "host": host, "boot": boot_id(), "database": database})
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(handle, 0o600)
            # written, not only reserved: a full disk is met here, and not by a fault in the map
            with open(handle, "wb", closefd=False) as file:
                file.write(header.encode().ljust(_HEADER_BYTES) + _slot(_NOTHING) * (SLOTS + 1))
            self._map = mmap.mmap(handle, _SIZE)
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(handle)
        self._free = deque(range(_FIRST, _SIZE, _SLOT.size))
        self._in_use: dict[str, int] = {}

    def taking(self, attempt_id: str) -> None:
        """Note the newest attempt, before its take is committed."""
        self._map[_NEWEST:_FIRST] = _slot(bytes.fromhex(attempt_id))

    def hand_over(self, started: Started) -> None:
        """Name an attempt; the first byte of its message's end may leave when this returns."""
        if started.attempt_id in self._in_use:
            return
        if not self._free:  # never with our windows; then nothing is proven any more
            self._map[:_HEADER_BYTES] = bytes(_HEADER_BYTES)
            return
        place = self._free.popleft()
        own_id = started.id if started.promised is Promised.DELIVERY else -started.id
        slot = _slot(bytes.fromhex(started.attempt_id), own_id, microseconds(started.planned_at))
        self._map[place : place + _SLOT.size] = slot
        self._in_use[started.attempt_id] = place

    def settled(self, attempt_ids: Iterable[str]) -> None:
        """Let the marks of attempts be overwritten, the oldest first: their outcomes are in the database."""
        for attempt_id in attempt_ids:
            place = self._in_use.pop(attempt_id, None)
            if place is not None:
                self._free.append(place)

    def close(self) -> None:
        self._map.close()


def read_journal(path: Path) -> JournalContents | None:
    """Return what a journal says; None if it is missing or not whole."""
    try:
        data = path.read_bytes()
        header = json.loads(data[:_HEADER_BYTES])
    except (OSError, ValueError):
        return None
    if len(data) != _SIZE:
        return None
    slots = list(_SLOT.iter_unpack(memoryview(data)[_HEADER_BYTES:]))
    if any(zlib.crc32(_BODY.pack(*body)) != checksum for *body, checksum in slots):
        return None
    (newest, *_), *rest = slots
    found = [HandedOver(raw.hex(), *_promise(own_id), planned) for raw, own_id, planned, _ in rest if raw != _NOTHING]
    try:
        return JournalContents(newest=newest.hex(), attempts={one.attempt_id: one for one in found}, **header)
    except TypeError:
        return None


def retire_journal(path: Path) -> None:
    """Remove a journal that recovery does not need any more, or keep it as the mark if no newer one is."""
    found, mark = read_journal(path), path.with_name(LAST)
    kept = read_journal(mark)
    if found and found.latest > (kept.latest if kept and kept.database == found.database else ""):
        path.replace(mark)
    else:
        path.unlink(missing_ok=True)


def database_name(url: URL, folder: Path) -> str:
    """Return a name that tells one database from another; that of a SQLite file moves with the workspace."""
    where = os.path.relpath(url.database or "", folder) if url.get_backend_name() == "sqlite" else url.database
    return sha256(f"{url.get_backend_name()} {url.host} {url.port} {where}".encode()).hexdigest()[:32]


def _promise(own_id: int) -> tuple[Promised, int]:
    return (Promised.DELIVERY, own_id) if own_id > 0 else (Promised.NOTICE, -own_id)


def _slot(attempt: bytes, own_id: int = 0, planned_at: int = 0) -> bytes:
    body = _BODY.pack(attempt, own_id, planned_at)
    return body + zlib.crc32(body).to_bytes(8)
