"""The two databases that an outbox may live in, each with a copy of the planned state to begin every round with."""

import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from digest.runtime.db import make_engine

ROOT = Path(__file__).resolve().parents[2]


class UnmeasurableError(Exception):
    """Something that a row needs is not on this machine; the message says what."""


class Base(Protocol):
    """A database that can be put back to where it was when `keep` was called."""

    kind: str
    url: str

    def keep(self) -> None:
        """Remember the present state. Nobody may be connected."""
        ...

    def restore(self) -> None:
        """Go back to what was kept."""
        ...

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Look into it."""
        ...


class _Looked:
    url: str

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Look into it, and let go of it altogether: a copy can be made only when nobody is connected."""
        engine = make_engine(self.url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


class SqliteBase(_Looked):
    """A file and its copy."""

    kind = "SQLite"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._file, self._kept = folder / "digest.db", folder / "planned.db"
        self.url = f"sqlite:///{self._file}"

    def keep(self) -> None:
        """Copy the file; the last connection to close has written the log back into it."""
        shutil.copyfile(self._file, self._kept)

    def restore(self) -> None:
        """Copy it back, and forget the log of the round before."""
        for suffix in ("-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self._kept, self._file)


class PostgresBase(_Looked):
    """A database of a server, and the template that it is cloned from."""

    kind = "PostgreSQL"

    def __init__(self, admin_url: str) -> None:
        self._admin = admin_url
        self._name = f"bench_{uuid.uuid4().hex[:12]}"
        self.url = make_url(admin_url).set(database=self._name).render_as_string(hide_password=False)
        self._execute(f'CREATE DATABASE "{self._name}"')

    def keep(self) -> None:
        """Make the template; VACUUM first, or the server would do it whenever it likes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        self._execute(f'CREATE DATABASE "{self._name}_kept" TEMPLATE "{self._name}"')

    def restore(self) -> None:
        """Clone the template, and have it written out."""
        self._execute(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')
        self._execute(f'CREATE DATABASE "{self._name}" TEMPLATE "{self._name}_kept"')
        self._execute("CHECKPOINT")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the address of a PostgreSQL server whose commits are durable when they return."""
    sys.path.append(str(ROOT))  # the tests know how to start one anywhere
    from tests.support.postgres import PostgresUnavailableError, start_postgres  # noqa: PLC0415

    try:
        server = start_postgres(durable=True)
    except PostgresUnavailableError as error:
        raise UnmeasurableError(f"no PostgreSQL: {error}") from error
    try:
        with psycopg.connect(server.admin_url) as connection:
            for setting in ("fsync", "synchronous_commit"):
                (value,) = connection.execute(f"SHOW {setting}").fetchone() or ("?",)  # type: ignore[arg-type]
                if value != "on":
                    raise UnmeasurableError(f"the PostgreSQL server given has {setting} = {value}")
        yield server.admin_url
    finally:
        server.stop()
