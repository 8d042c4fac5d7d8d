"""Backup of PostgreSQL with pg_dump and pg_restore: our tables only, in one transaction each way.

Until deliveries that may have been sent since are marked, the revision has a prefix that every command refuses.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from digest.runtime.atomic_file import sync
from digest.runtime.db import RESTORING, damage_in, explain, refuse_newer
from digest.runtime.errors import EnvironmentFailedError
from digest.workspace.backup import files
from digest.workspace.backup.files import BackupFailedError, BackupUnusableError

_FOLDERS = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql*/bin"),
    ("/usr/local/opt", "postgresql*/bin"),
    ("/opt/homebrew/opt", "libpq/bin"),
)
_ENTRY = re.compile(r"\d+; \d+ \d+ (?P<kind>[A-Z][A-Z ]*[A-Z]) (?P<schema>\S+) (?P<name>\S+)")
_KINDS = {"TABLE", "TABLE DATA", "DEFAULT", "CONSTRAINT", "FK CONSTRAINT", "INDEX", "COMMENT"}
_KINDS |= {"SEQUENCE", "SEQUENCE OWNED BY", "SEQUENCE SET"}
_VERSIONS = "alembic_version"
_COPY = re.compile(rb'COPY (?:\S+\.)?"?(\w+)"? \(')


class ProgramMissingError(EnvironmentFailedError):
    """One of PostgreSQL's own programs is not installed."""

    default_hint = "Install PostgreSQL's client programs (Debian: apt install postgresql-client), or add them to PATH."


def program(name: str) -> str:
    """Return the path of a PostgreSQL program: on PATH, else the newest in the usual folders."""
    if found := shutil.which(name):
        return found
    for root, pattern in _FOLDERS:
        for folder in sorted(Path(root).glob(pattern), reverse=True):
            if os.access(folder / name, os.X_OK):
                return str(folder / name)
    raise ProgramMissingError(f"{name} is not installed")


def save(engine: Engine, target: Path, tables: Collection[str]) -> int:
    """Write those tables to `target` in pg_dump's custom format, all as of one moment; return the rows in it.

    Raises DatabaseDamagedError if the database is damaged, BackupFailedError if the dump is not its equal.
    """
    names = _present(engine, tables)
    flags = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            counts = {name: text(f'SELECT count(*) FROM "{name}"') for name in names}  # noqa: S608 - our own tables
            counted = {name: connection.execute(count).scalar_one() for name, count in counts.items()}
            wanted = [f"--snapshot={snapshot}", *(f"--table={name}" for name in names)]
            done = _run([program("pg_dump"), *flags, *wanted, f"--dbname={_address(engine)}"], engine)
    except DBAPIError as error:
        files.refuse_damaged([fault] if (fault := damage_in(error.orig)) else [])
        raise explain(error) from error
    if done.returncode:
        raise BackupFailedError(f"pg_dump failed: {_first_line(done.stderr)}", hint=_hint(done.stderr))
    sync(target)
    files.compare_rows(counted, _rows(target))
    return sum(counted.values())


def _rows(backup: Path) -> dict[str, int]:
    """Read a dump to its end and return the number of rows of each table in it."""
    counted: dict[str, int] = {}
    command = [program("pg_restore"), "--data-only", "--file=-", str(backup.absolute())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(None)) as reading:  # noqa: S603
        assert reading.stdout is not None  # noqa: S101 - asked for above
        assert reading.stderr is not None  # noqa: S101
        table = ""
        for line in reading.stdout:
            if table and line != b"\\.\n":
                counted[table] += 1
            elif match := _COPY.match(line):
                table = match[1].decode()
                counted[table] = 0
            else:
                table = ""
        message = reading.stderr.read().decode(errors="replace")
    if reading.returncode:
        raise BackupFailedError(f"The new backup cannot be read: {_first_line(message)}")
    return counted


def check(backup: Path, tables: Collection[str]) -> str:
    """Read a whole backup and return its schema revision.

    Raises BackupUnusableError if it is none or has other tables, DatabaseNewerError if a newer version made it.
    """
    files.require(backup, files.POSTGRESQL)
    listing = _read(backup, "--list")
    entries = [match for line in listing.splitlines() if (match := _ENTRY.match(line))]
    found = {entry["name"] for entry in entries if entry["kind"] == "TABLE"}
    # ours has nothing else; a function or trigger would be run, too
    foreign = {entry["kind"] for entry in entries} - _KINDS
    if foreign or not {_VERSIONS, "issue", "delivery", "attempt"} <= found:
        raise BackupUnusableError(f"{backup} is a dump, but not one made by `digest db backup`")
    _read(backup, f"--file={os.devnull}")  # to the end: a truncated file is noticed only there
    rows = _read(backup, "--data-only", f"--table={_VERSIONS}", "--file=-")
    match = re.search(r"^COPY [^\n]*\n(\w+)\n\\\.$", rows, re.MULTILINE)
    if match is None:
        raise BackupUnusableError(f"{backup} does not contain a schema version")
    refuse_newer(match[1])  # first: a newer version may have more tables
    if not found <= {*tables, _VERSIONS}:
        raise BackupUnusableError(f"{backup} contains tables that do not belong to digestpress")
    return match[1]


def load(engine: Engine, backup: Path, revision: str, tables: Collection[str]) -> None:
    """Replace our tables by the backup's, or change nothing. The revision is then `restoring:REVISION`."""
    schema = inspect(engine).default_schema_name or "public"
    drops = "".join(f'DROP TABLE IF EXISTS "{schema}"."{name}" CASCADE;\n' for name in _present(engine, tables))
    # both names come from the database itself, and the revision has letters and digits only
    barrier = f"UPDATE \"{schema}\".{_VERSIONS} SET version_num = '{RESTORING}{revision}';\nCOMMIT;\n"  # noqa: S608
    psql = [program("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={_address(engine)}"]
    restore = [program("pg_restore"), "--no-owner", "--no-privileges", "--exit-on-error", "--file=-", str(backup)]
    with subprocess.Popen(  # noqa: S603
        psql, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment(engine)
    ) as loading:
        assert loading.stdin is not None  # noqa: S101 - asked for above
        assert loading.stderr is not None  # noqa: S101
        with suppress(BrokenPipeError):
            loading.stdin.write(f"BEGIN;\n{drops}".encode())
            loading.stdin.flush()
            read = subprocess.run(restore, stdout=loading.stdin, stderr=subprocess.DEVNULL, check=False)  # noqa: S603
            if read.returncode == 0:  # without the COMMIT nothing has happened
                loading.stdin.write(barrier.encode())
        with suppress(BrokenPipeError):
            loading.stdin.close()
        message = loading.stderr.read().decode(errors="replace")
    if loading.returncode or read.returncode:
        raise BackupUnusableError(f"{backup} cannot be restored: {_first_line(message)}", hint=_hint(message))


def _present(engine: Engine, tables: Collection[str]) -> list[str]:
    """Return which of our tables the database has; others are left alone."""
    return sorted({*tables, _VERSIONS} & set(inspect(engine).get_table_names()))


def _address(engine: Engine) -> str:
    """Return the database's address without its password, which other users could read in the list of processes."""
    return engine.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _environment(engine: Engine | None) -> Mapping[str, str]:
    password = {"PGPASSWORD": str(engine.url.password)} if engine is not None and engine.url.password else {}
    return {**os.environ, "LC_ALL": "C", **password}


def _run(command: Sequence[str], engine: Engine | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - no shell, and the program is PostgreSQL's
        command, capture_output=True, encoding="utf-8", errors="replace", env=_environment(engine), check=False
    )


def _read(backup: Path, *flags: str) -> str:
    done = _run([program("pg_restore"), *flags, str(backup.absolute())])
    if done.returncode:
        raise BackupUnusableError(f"{backup} is damaged: {_first_line(done.stderr)}")
    return done.stdout


def _first_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    line = next((line for line in lines if "error" in line.casefold()), lines[0] if lines else "no reason was given")
    return re.sub(r"^\S+: (error: )?", "", line)[:300]


def _hint(message: str) -> str:
    return "Install PostgreSQL's client programs in the server's version." if "version mismatch" in message else ""
