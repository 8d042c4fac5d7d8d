"""Database engine, transactions and schema revision. SQLite and PostgreSQL differ here and in outbox.dialects."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlmodel import Session

from digest.runtime import queue_schema
from digest.runtime.errors import ConfigError, DatabaseUnreachableError, EnvironmentFailedError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0016"
"""The newest revision in digest/migrations (a test compares). Not read there: Alembic is slow to load."""
RESTORING = "restoring:"
"""Prefix of the revision while a restored database is not safe to use, so that every command refuses."""
BUSY_SECONDS = 30
READ_ONLY = "digest_read_only"
BULK_CACHE_KIB = 40 * 1024
_DRIVERS = {
    **dict.fromkeys(("sqlite", "sqlite+pysqlite"), "sqlite"),
    **dict.fromkeys(("postgresql", "postgres", "postgresql+psycopg"), "postgresql+psycopg"),
}
_FORMS = "Use sqlite:///digest.db or postgresql://USER@HOST/NAME."
REPAIR = (
    "Stop everything that uses the database, keep a copy of it, then restore the last good backup: digest db "
    "restore FILE"
)
"""What helps against damage."""
_POSTGRESQL_DAMAGE = frozenset({"XX001", "XX002", "58P01"})
"""SQLSTATE of data_corrupted, index_corrupted, undefined_file."""
_NOT_TEXT = re.compile(r"Could not decode to UTF-8 column '(\w+)'")
AWAY = (OperationalError, InterfaceError, InternalError)
"""Errors that may be over soon; InternalError is a standby that is not yet the new server."""


class DatabaseNewerError(EnvironmentFailedError):
    """The database was made by a newer digestpress than this one."""

    default_hint = "Install the newer version, or restore the backup that was taken before the upgrade."


class RestoreUnfinishedError(EnvironmentFailedError):
    """A restore into this database was begun and not finished."""

    default_hint = "Run `digest db restore FILE --yes` again."


class DatabaseDamagedError(DatabaseUnreachableError):
    """The database is damaged."""

    default_hint = f"To see the damage: digest db check. {REPAIR}"


class DatabaseOlderError(EnvironmentFailedError):
    """The database has an older schema than this digestpress needs."""

    default_hint = "Make a backup, then run `digest db upgrade`."


def make_engine(url: str) -> Engine:
    """Return an engine for `url` (sqlite:///FILE or postgresql://...) whose commits are durable when they return."""
    try:
        parsed = make_url(url)
        parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
        # What a statement is given is about people, and the text of an exception goes into logs.
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() == "postgresql", hide_parameters=True)
    except KeyError as error:
        raise ConfigError(
            f"[database] url: {error} is not a database that digestpress supports", hint=_FORMS
        ) from error
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise ConfigError("[database] url is not a valid database address", hint=_FORMS) from error
    except ModuleNotFoundError as error:
        raise ConfigError("psycopg is not installed", hint="pip install 'digestpress[postgres]'") from error
    if engine.dialect.name == "sqlite":
        if engine.url.database in {None, "", ":memory:"}:  # each command, and each of its threads, had another one
            raise ConfigError("[database] url does not name a file: a database in memory keeps nothing", hint=_FORMS)
        event.listen(engine, "do_connect", _create_sqlite)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _create_sqlite(_dialect: object, _record: object, arguments: list[str], _options: object) -> None:
    # It will hold addresses; SQLite gives its other files the same mode.
    with suppress(OSError):  # it exists, or SQLite says why it cannot be made
        os.close(os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own BEGIN is deferred: a read that turns into a write then fails at once with "locked",
    # whatever the busy timeout. We begin ourselves, below.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # an attempt must be on the disk before the wire
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # what is erased or changed is overwritten, not only left out
    cursor.close()


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # A server tuned for speed may answer COMMIT before it is on disk; after a crash, mail that has gone would be sent
    # again. Stricter values than "on" (a replica, too) stay.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    # A process stopped in the middle of a transaction would block unsubscribes and holds until it wakes. None of our
    # transactions waits for anything but the database.
    connection.execute("SET idle_in_transaction_session_timeout = '5min'")
    connection.commit()  # else a rollback takes the settings back


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def for_bulk(engine: Engine) -> Iterator[Engine]:
    """Yield an engine for bulk inserts.

    Keys are random, so that each transaction changes pages all over SQLite's indexes; with the usual cache and
    checkpoints each page would be read and written again for every few rows.
    """
    if engine.dialect.name != "sqlite":
        yield engine
        return
    bulk = make_engine(engine.url.render_as_string(hide_password=False))
    event.listen(bulk, "connect", _prepare_sqlite_bulk)
    try:
        yield bulk
    finally:
        bulk.dispose()


def _prepare_sqlite_bulk(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA cache_size=-{BULK_CACHE_KIB}")
    connection.execute("PRAGMA wal_autocheckpoint=50000")


@contextmanager
def session_scope(engine: Engine, *, read_only: bool = False) -> Iterator[Session]:
    """One transaction: commits at the end, rolls back on any exception. `read_only` takes no write lock on SQLite."""
    bind = engine.execution_options(**{READ_ONLY: True}) if read_only else engine
    with Session(bind, expire_on_commit=False) as session:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


def explain(error: DBAPIError) -> DatabaseUnreachableError:
    """Return the driver's error as one sentence for a person."""
    first_line = str(error.orig or error).strip().splitlines()
    if damage := damage_in(error.orig):
        return DatabaseDamagedError(f"The database is damaged: {damage}")
    return DatabaseUnreachableError(f"The database failed: {first_line[0] if first_line else type(error).__name__}")


def damage_in(error: BaseException | None) -> str:
    """Return in words which damage of the database the driver's error reports; empty for any other error."""
    text = " ".join(str(error).splitlines()[:1])
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return text
    if getattr(error, "sqlstate", None) in _POSTGRESQL_DAMAGE or text == "unsupported file format":
        return text
    column = _NOT_TEXT.match(text)  # the rest of the message is the text, which is about a person
    return f"the column {column[1]} contains bytes that are not text" if column else ""


def alembic_config(connection: Connection | None = None) -> "Config":
    """Return Alembic's configuration for our migrations, which run on `connection`."""
    from alembic.config import Config  # noqa: PLC0415 - see HEAD

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade_on(connection: Connection) -> None:
    """Upgrade the schema to this version's revision, in the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - see HEAD

    refuse_newer(_revision(connection))
    command.upgrade(alembic_config(connection), "head")


def upgrade(engine: Engine) -> None:
    """Upgrade the schema to this version's revision, and the queue's tables; safe to repeat."""
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":  # two upgrades at once: the second waits, then finds nothing to do
                connection.execute(text(f"SELECT pg_advisory_xact_lock({queue_schema.UPGRADE_LOCK})"))
            upgrade_on(connection)
        queue_schema.bring_up_to_date(engine)
    except DBAPIError as error:
        raise explain(error) from error


def revision_of(engine: Engine) -> str | None:
    """Return the schema revision in the database, None for an empty one."""
    with engine.connect() as connection:
        return _revision(connection)


def queue_of(engine: Engine) -> queue_schema.QueueSchema:
    with engine.connect() as connection:
        return queue_schema.schema_state(connection)


def check_revision(engine: Engine) -> None:
    """Raise unless the database has exactly this version's schema."""
    if usable_revision(engine) != HEAD:
        raise DatabaseOlderError


def usable_revision(engine: Engine) -> str:
    """Return the database's revision. Raises unless it has tables, of this version or an older one."""
    try:
        current = revision_of(engine)
    except DBAPIError as error:
        raise explain(error) from error
    if current is None:
        raise DatabaseOlderError
    if current != HEAD:
        refuse_newer(current)
    return current


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def refuse_newer(current: str | None) -> None:
    """Raise unless this version can use or upgrade a database of this revision."""
    if (current or "").startswith(RESTORING):
        raise RestoreUnfinishedError
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see HEAD

    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseNewerError
