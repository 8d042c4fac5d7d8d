"""Backup files: recognised by magic bytes, written atomically, readable by their owner only."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from digest.runtime.atomic_file import private_folder, whole_file
from digest.runtime.db import DatabaseDamagedError
from digest.runtime.errors import EnvironmentFailedError, UsageError

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
_MAGIC = {b"SQLite format 3\x00": SQLITE, b"PGDMP": POSTGRESQL}
_HEAD = 16
SUFFIX = ".backup"
"""Backups that may be removed have it: other SQLite files may lie in the same folder."""
_PARTIAL = re.compile(r"\..+\.\d+-\d+\.partial(-journal)?")
_DAY = 24 * 3600


class BackupUnusableError(UsageError):
    """The file is no backup that can be restored."""

    default_hint = "The present database is unchanged. Use another backup file."


class BackupFailedError(EnvironmentFailedError):
    """The backup cannot be written."""

    default_hint = "Check free space and permissions. An earlier backup with that name is unchanged."


def refuse_damaged(source: Sequence[object], copy: Sequence[object] = ()) -> None:
    """Raise DatabaseDamagedError for faults of the database, BackupFailedError for those of the copy alone."""
    if source:
        raise DatabaseDamagedError(f"The database is damaged and was not backed up: {source[0]}")
    if copy:
        hint = (
            "An earlier backup with that name is unchanged. Try another disk: this disk, or the memory, may be failing."
        )
        raise BackupFailedError(f"The new backup is damaged, although the database is not: {copy[0]}", hint=hint)


def compare_rows(database: Mapping[str, int], copy: Mapping[str, int]) -> None:
    """Raise BackupFailedError unless every table has the same number of rows in both."""
    for table in sorted({*database, *copy}):
        ours, theirs = database.get(table, 0), copy.get(table, 0)
        if ours != theirs:
            raise BackupFailedError(f"The new backup contains {theirs:,} rows of {table}, but the database {ours:,}")


def kind_of(path: Path) -> str | None:
    """Return which database a file is a backup of; None if of none. Raises BackupUnusableError if it cannot be read."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
            raise BackupUnusableError(f"{path} {what}")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else error
        raise BackupUnusableError(f"{str(path)[:200]!r} cannot be read: {why}") from error
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def require(path: Path, kind: str) -> None:
    """Raise BackupUnusableError unless the file is a backup of this kind of database."""
    found = kind_of(path)
    if found is None:
        empty = path.stat().st_size == 0
        raise BackupUnusableError(f"{path} is {'empty' if empty else 'not a backup made by `digest db backup`'}")
    if found != kind:
        hint = "Set [database] url to the kind of database that was backed up."
        raise BackupUnusableError(f"{path} is a backup of {found}; this workspace uses {kind}", hint=hint)


@contextmanager
def written_whole(path: Path, *, never: Path | None = None) -> Iterator[Path]:
    """Yield a temporary file, mode 0600, that becomes `path` when the block ends without an error; make its folder.

    Replaces only an earlier backup, never `never`: raises UsageError for any other file. Raises BackupFailedError.
    """
    _refuse_to_replace(path, never)
    try:
        private_folder(path.parent)
        _remove_leftovers(path.parent)
        with whole_file(path, mode=0o600) as partial:
            yield partial
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BackupFailedError(f"{str(path)[:200]!r} cannot be written: {why}") from error


def remove_older(newest: Path, days: int) -> list[Path]:
    """Remove backups beside `newest`, which was verified just now and stays, that are older than `days`."""
    removed = []
    for path in sorted(newest.parent.glob(f"*{SUFFIX}")):
        with suppress(OSError, BackupUnusableError):  # what cannot be read or removed stays
            if path.name != newest.name and time.time() - path.stat().st_mtime > days * _DAY and kind_of(path):
                path.unlink()
                removed.append(path)
    return removed


def _remove_leftovers(folder: Path) -> None:
    """Remove what backups that were killed have left: each may be as large as the database."""
    for path in folder.glob(".*.partial*"):
        if _PARTIAL.fullmatch(path.name) and time.time() - path.stat().st_mtime > _DAY:
            path.unlink(missing_ok=True)


def _refuse_to_replace(path: Path, never: Path | None) -> None:
    try:
        other = path.is_dir() or (path.exists() and path.stat().st_size > 0 and kind_of(path) is None)
        in_the_way = other or in_use(path)
        itself = never is not None and path.exists() and path.samefile(never)
    except (OSError, ValueError):
        return  # making the file reports it
    if itself:
        raise UsageError(f"{path} is the database itself", hint="Choose another name.")
    if in_the_way:
        raise UsageError(f"{path} exists and is not a backup; it was not overwritten", hint="Choose another name.")


def in_use(path: Path) -> bool:
    """Whether a SQLite file has a write-ahead log with content, so that the file alone is incomplete."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
