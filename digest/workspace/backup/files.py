"""Backup files: recognised by magic bytes, written atomically, readable by their owner only."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digest.runtime.atomic_file import whole_file
from digest.runtime.errors import EnvironmentFailedError, UsageError

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
_MAGIC = {b"SQLite format 3\x00": SQLITE, b"PGDMP": POSTGRESQL}
_HEAD = 16


class BackupUnusableError(UsageError):
    """The file is no backup that can be restored."""

    default_hint = "The present database was not touched. Take another backup file."


class BackupFailedError(EnvironmentFailedError):
    """The backup cannot be written."""

    default_hint = "Check space and permissions; an earlier backup of that name is as it was."


def kind_of(path: Path) -> str | None:
    """Return which database a file is a backup of; None if of none. Raises BackupUnusableError if it cannot be read."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
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
        raise BackupUnusableError(f"{path} is {'empty' if empty else 'no backup that `digest db backup` made'}")
    if found != kind:
        hint = "Point [database] url to the kind of database that the backup is of."
        raise BackupUnusableError(f"{path} is a backup of {found}; this workspace uses {kind}", hint=hint)


@contextmanager
def written_whole(path: Path, *, never: Path | None = None) -> Iterator[Path]:
    """Yield a temporary file, mode 0600, that becomes `path` when the block ends without an error; make its folder.

    Replaces only an earlier backup, never `never`: raises UsageError for any other file. Raises BackupFailedError.
    """
    _refuse_to_replace(path, never)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path, mode=0o600) as partial:
            yield partial
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BackupFailedError(f"{str(path)[:200]!r} cannot be written: {why}") from error


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
        raise UsageError(f"{path} is there and is no backup; it stays as it is", hint="Choose another name.")


def in_use(path: Path) -> bool:
    """Whether a SQLite file has a write-ahead log with content, so that the file alone is incomplete."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
