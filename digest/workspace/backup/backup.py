"""`digest db backup` and `restore`: the database in one file, and a restore after which nothing is sent twice."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from digest.delivery.worker.place import WorkerPlace
from digest.migrations.metadata import METADATA
from digest.outbox import statistics
from digest.outbox.journal import database_name
from digest.outbox.restore import Aftermath, settle_down
from digest.outbox.tables import DELIVERY, ISSUE, SUBSCRIBER
from digest.runtime import db
from digest.runtime.clock import open_clock
from digest.runtime.errors import DigestError, RefusedError, UsageError
from digest.schedule.tick import skip_since_backup
from digest.settings.root import CONFIG_NAME, SECRETS_NAME, Settings, load_settings
from digest.workspace.backup import files, postgres, sqlite
from digest.workspace.backup.record import BackupRecord

TABLES = frozenset(METADATA.tables)
"""Every table of both packages."""


class WorkersRunningError(RefusedError):
    """A worker is running."""

    default_hint = "Stop every `digest worker`, `digest send` and `digest schedule run`, then run this again."


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that was made. `not_contained` names what else belongs to the workspace."""

    file: Path
    size: int
    rows: int
    database: str
    revision: str | None
    not_contained: tuple[str, ...]
    removed: tuple[Path, ...] = ()

    def as_json(self) -> dict[str, object]:
        own = {"file": str(self.file), "not_contained": list(self.not_contained)}
        return asdict(self) | own | {"removed": [str(path) for path in self.removed]}


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: `kept` is the replaced database, `skipped` are periods of the schedule."""

    database: str
    revision: str | None
    kept: Path | None
    skipped: tuple[str, ...]
    aftermath: Aftermath

    def as_json(self) -> dict[str, object]:
        kept = str(self.kept) if self.kept else None
        own = {"database": self.database, "revision": self.revision, "kept": kept, "skipped": list(self.skipped)}
        return own | asdict(self.aftermath)


def backup(workspace: Path, target: Path, keep_days: int | None = None) -> BackupResult:
    """Write the database into one file while it is in use, and check it; then it replaces a backup of that name.

    Only then are backups beside it removed that are older than `keep_days`. A database of an older version is saved,
    too: the upgrade wants a backup first.
    """
    if keep_days is not None and target.suffix != files.SUFFIX:
        hint = f"Use a name such as {target.with_suffix(files.SUFFIX).name}."
        raise UsageError(
            f"Old backups are recognized by their ending {files.SUFFIX}, which {target} does not have", hint=hint
        )
    settings, clock = load_settings(workspace), open_clock()
    engine = db.make_engine(settings.database_url)
    record = BackupRecord.read(workspace)
    record.failed(clock.now()).write(workspace)  # which stands if this process is killed
    try:
        revision = db.usable_revision(engine)
        own = _file_of(engine) if engine.dialect.name == files.SQLITE else None
        with files.written_whole(target, never=own) as partial:
            rows = sqlite.save(own, partial) if own is not None else postgres.save(engine, partial, TABLES)
    except DigestError as error:
        record.failed(clock.now(), error.message).write(workspace)
        raise
    finally:
        engine.dispose()
    size, now = target.stat().st_size, clock.now().isoformat()
    BackupRecord(now, str(target.absolute()), size, now).write(workspace)
    removed = files.remove_older(target, keep_days) if keep_days is not None else []
    return BackupResult(target, size, rows, engine.dialect.name, revision, _not_contained(settings), tuple(removed))


def _not_contained(settings: Settings) -> tuple[str, ...]:
    """Return what else of the workspace must be kept: without secrets.toml no link in a sent mail works."""
    keys = [path for relay in settings.relay for path in relay.secret_files.values()]
    if settings.dkim is not None:
        keys.append(settings.dkim.key_file)
    names = [SECRETS_NAME, CONFIG_NAME, ".env", "templates", "articles", *keys, ".state/outcomes"]
    found = [settings.workspace / name for name in names]
    # the keys may be given by the environment; they are not in the backup either way
    return tuple(
        f"{name}/" if path.is_dir() else name
        for name, path in zip(names, found, strict=True)
        if name == SECRETS_NAME or path.exists()
    )


class Restore:
    """A checked backup, ready to be restored. `loses` says what the present database holds."""

    def __init__(self, settings: Settings, engine: Engine, source: Path, side: Path | None, revision: str) -> None:
        self._settings = settings
        self._engine = engine
        self._source = source
        self._side = side
        self._revision = revision
        self.loses = _contents(engine)

    def run(self) -> Restored:
        """Replace the present database. It cannot be used before deliveries that may have been sent are marked."""
        settings, engine, now = self._settings, self._engine, open_clock().now()
        refuse_with_workers(settings, engine)
        kept = None
        if self._side is not None:
            copy = db.make_engine(f"sqlite:///{self._side}")
            aftermath, skipped = _make_safe(settings, copy, self._revision, now)
            copy.dispose()
            engine.dispose()
            kept = sqlite.swap(self._side, _file_of(engine), now)
        else:
            engine.dispose()
            postgres.load(engine, self._source, self._revision, TABLES)
            aftermath, skipped = _make_safe(settings, engine, self._revision, now)
            db.upgrade(engine)
        _forget_journals(settings, engine)
        return Restored(engine.dialect.name, db.revision_of(engine), kept, skipped, aftermath)


@contextmanager
def restoring(workspace: Path, source: Path) -> Iterator[Restore]:
    """Check a backup and yield its Restore; the present database is untouched until `run`.

    Raises BackupUnusableError, DatabaseNewerError, or RefusedError when the present database is in use.
    """
    settings = load_settings(workspace)
    engine = db.make_engine(settings.database_url)
    try:
        refuse_with_workers(settings, engine)
        with _checked(engine, source) as (side, revision):
            db.refuse_newer(revision)
            yield Restore(settings, engine, source, side, revision)
    finally:
        engine.dispose()


def _checked(engine: Engine, source: Path) -> AbstractContextManager[tuple[Path | None, str]]:
    if engine.dialect.name == files.SQLITE:
        return _checked_sqlite(engine, source)
    return nullcontext((None, postgres.check(source, TABLES)))


@contextmanager
def _checked_sqlite(engine: Engine, source: Path) -> Iterator[tuple[Path, str]]:
    with sqlite.side_copy(source, _file_of(engine)) as side:
        copy = db.make_engine(f"sqlite:///{side}")
        revision = db.revision_of(copy)
        copy.dispose()
        yield side, str(revision)


def _file_of(engine: Engine) -> Path:
    return Path(str(engine.url.database)).absolute()


def _contents(engine: Engine) -> str:
    """Return in words what the present database holds; empty if nothing."""
    if engine.dialect.name == files.SQLITE and not _file_of(engine).exists():
        return ""  # connecting would make it
    try:
        with Session(engine.execution_options(**{db.READ_ONLY: True})) as session:
            if db.revision_of(engine) is None:
                return ""
            counted = {
                what: session.execute(select(func.count()).select_from(table)).scalar_one()
                for what, table in (("issues", ISSUE), ("readers", SUBSCRIBER), ("deliveries", DELIVERY))
            }
    except SQLAlchemyError:
        return "it cannot be read"
    return ", ".join(f"{count:,} {what}" for what, count in counted.items()) if any(counted.values()) else ""


def refuse_with_workers(settings: Settings, engine: Engine) -> None:
    """Raise WorkersRunningError if a worker uses the database."""
    if engine.dialect.name == files.SQLITE and not _file_of(engine).exists():
        return
    try:
        with Session(engine.execution_options(**{db.READ_ONLY: True})) as session:
            workers = statistics.present(session, WorkerPlace.of(settings.workspace).liveness)
    except SQLAlchemyError:
        return  # empty or broken: no worker uses it
    if alive := {worker.host for worker in workers if worker.alive}:
        raise WorkersRunningError(f"A worker is running on {', '.join(sorted(alive))}")


def _forget_journals(settings: Settings, engine: Engine) -> None:
    """Remove what workers noted about the replaced database: else its loss would be found once more."""
    place = WorkerPlace.of(settings.workspace)
    for path, _ in place.liveness.marks(database_name(engine.url, place.locks)):
        path.unlink(missing_ok=True)


def _make_safe(settings: Settings, engine: Engine, revision: str, now: datetime) -> tuple[Aftermath, tuple[str, ...]]:
    """Upgrade the schema and mark what may have been sent since, in one transaction."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
        db.upgrade_on(connection)
        with Session(connection) as session:
            aftermath = settle_down(session, now)
            skipped = skip_since_backup(session, settings, now)
            session.flush()
    return aftermath, tuple(skipped)
