"""Backup of SQLite while it is in use; a restore is prepared beside the present database, then swapped in."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from digest.runtime.atomic_file import sync
from digest.runtime.db import damage_in
from digest.runtime.errors import RefusedError
from digest.workspace.backup import files
from digest.workspace.backup.files import BackupFailedError, BackupUnusableError
from digest.workspace.integrity import damage_of, row_counts

_OURS = {"alembic_version", "issue", "delivery", "attempt", "subscriber"}
_COMPANIONS = ("-wal", "-shm", "-journal")
_SWAP_WAITS_SECONDS = 2.0


class DatabaseInUseError(RefusedError):
    """Another process has the database open."""

    default_hint = "Stop `digest serve`, `digest worker` and `digest schedule run`, then restore again."


def save(database: Path, target: Path) -> int:
    """Write a consistent copy of a database that may be in use to `target`, an empty file; return the rows in it.

    Raises DatabaseDamagedError if the database is damaged, BackupFailedError if the copy is not its equal.
    """
    try:
        with closing(_open(database)) as source:
            source.execute("BEGIN")  # the copy and what is counted are of one moment
            counted = row_counts(source)
            with closing(sqlite3.connect(target)) as copy:
                source.backup(copy, pages=-1)  # in one step: page by page it would start anew after each write
                copy.execute("PRAGMA journal_mode=DELETE")  # else opening it needs two more files
            source.rollback()  # else the log of what is written meanwhile could not be emptied
            sync(target)
            with closing(_open(target, "&immutable=1")) as written:
                # a copy has the faults of its source
                if damage := damage_of(written):
                    files.refuse_damaged(damage_of(source), damage)
                files.compare_rows(counted, row_counts(written))
    except sqlite3.Error as error:
        files.refuse_damaged([fault] if (fault := damage_in(error)) else [])
        raise BackupFailedError(f"The backup failed: {error}") from error
    return sum(counted.values())


def _open(path: Path, how: str = "") -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{how}", uri=True)


@contextmanager
def side_copy(backup: Path, database: Path) -> Iterator[Path]:
    """Yield a checked copy of a backup beside the database that it is to replace; it is removed afterwards."""
    files.require(backup, files.SQLITE)
    if database.exists() and backup.samefile(database):
        raise BackupUnusableError(f"{backup} is the present database itself")
    if files.in_use(backup):
        hint = "Make a backup of it with `digest db backup`."
        raise BackupUnusableError(f"{backup} is a database in use ({backup.name}-wal belongs to it)", hint=hint)
    side = database.with_name(f"{database.name}.restoring")
    _remove(side)
    try:
        os.close(os.open(side, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(backup, side)
        yield side
    finally:
        _remove(side)


def _copy(backup: Path, side: Path) -> None:
    try:
        with closing(_open(backup, "&immutable=1")) as source, closing(sqlite3.connect(side)) as copy:
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA trusted_schema=OFF")
            _check(backup, copy)
    except sqlite3.Error as error:
        raise BackupUnusableError(f"{backup} is damaged: {error}") from error


def _check(backup: Path, copy: sqlite3.Connection) -> None:
    result = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if result != "ok":
        raise BackupUnusableError(f"{backup} is damaged: {' '.join(str(result).split())[:200]}")
    entries = copy.execute("SELECT type, name FROM sqlite_master").fetchall()
    # our schema has no triggers; one would run on the next change to the copy
    if any(kind in {"trigger", "view"} for kind, _ in entries) or not {name for _, name in entries} >= _OURS:
        raise BackupUnusableError(f"{backup} is a database, but not a digestpress database")
    if copy.execute("SELECT count(*) FROM alembic_version").fetchone()[0] != 1:
        raise BackupUnusableError(f"{backup} does not contain a schema version")


def swap(side: Path, database: Path, now: datetime) -> Path | None:
    """Replace `database` by `side`; return where the present one is kept, None if there was none.

    Raises DatabaseInUseError when another process has it open, whose writes would be lost.
    """
    sync(side)
    if not database.exists():
        side.replace(database)
        sync(database.parent)
        return None
    _take_on_mode_and_owner(side, database)
    kept = _free_name(database, now)
    with _exclusively(database):
        for companion in _COMPANIONS:  # there only when it is too broken to be opened
            with suppress(FileNotFoundError):
                database.with_name(database.name + companion).rename(f"{kept}{companion}")
        os.link(database, kept)
        side.replace(database)
    sync(database.parent)
    return kept


@contextmanager
def _exclusively(database: Path) -> Iterator[None]:
    """Hold an exclusive lock on the database, unless it is too broken to be opened."""
    with closing(sqlite3.connect(database, timeout=_SWAP_WAITS_SECONDS, isolation_level=None)) as connection:
        try:
            # every open connection to a database in WAL mode keeps it from leaving that mode
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise DatabaseInUseError from error
        except sqlite3.DatabaseError:
            pass  # too broken for any process to have it open, and about to be replaced
        yield


def _free_name(database: Path, now: datetime) -> Path:
    stem = f"{database.name}.replaced-{now:%Y%m%dT%H%M%SZ}"
    names = (database.with_name(f"{stem}{f'-{number}' if number else ''}") for number in range(1000))
    return next(name for name in names if not name.exists())


def _take_on_mode_and_owner(side: Path, database: Path) -> None:
    was = database.stat()
    with suppress(PermissionError):  # only root may give files away, and only root has to
        os.chown(side, was.st_uid, was.st_gid)
    side.chmod(was.st_mode & 0o777)


def _remove(side: Path) -> None:
    for suffix in ("", *_COMPANIONS):
        side.with_name(side.name + suffix).unlink(missing_ok=True)
