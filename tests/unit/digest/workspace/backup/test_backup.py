"""A backup is whole, and comes back whole or not at all: on both databases, past every file that is none."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, select, text
from sqlmodel import Session

from digest.outbox.tables import DELIVERY, ISSUE
from digest.outbox.workers import WorkerLock
from digest.runtime import db
from digest.runtime.errors import UsageError
from digest.schedule import runs
from digest.schedule.month import MONTHLY
from digest.schedule.tick import skip_since_backup
from digest.settings.root import load_settings
from digest.workspace.backup import backup as backups
from digest.workspace.backup import postgres, sqlite
from digest.workspace.backup.files import BackupFailedError, BackupUnusableError
from digest.workspace.backup.record import BackupRecord
from digest.workspace.backup.sqlite import DatabaseInUseError
from digest.workspace.create import create
from tests.support.damage import damage, damage_cells, damage_rows
from tests.support.ledger import HOST, Ledger
from tests.support.small_disk import filled, small_disk


class Vault:
    """A workspace on a ledger of three deliveries, one of them on the wire, and its backup."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.workspace = folder / "workspace"
        create(self.workspace, sample=False)
        ledger.planned(3)
        ledger.take(limit=1)
        self.file = folder / "backup"
        self.saved = backups.backup(self.workspace, self.file)

    def restore(self, file: Path | None = None) -> backups.Restored:
        with backups.restoring(self.workspace, file or self.file) as ready:
            return ready.run()

    def content(self) -> list[tuple[int, str]]:
        with self.ledger.engine.connect() as connection:
            rows = connection.execute(select(DELIVERY.c.id, DELIVERY.c.state).order_by(DELIVERY.c.id)).all()
        self.ledger.engine.dispose()
        return [(row.id, row.state) for row in rows]


@pytest.fixture
def vault(ledger: Ledger, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    monkeypatch.setenv("DIGEST_DATABASE__URL", database_url)
    vault = Vault(ledger, tmp_path)
    ledger.engine.dispose()  # restoring wants to be alone
    yield vault
    with ledger.engine.connect() as connection:
        assert db.revision_of(ledger.engine) is not None
        if ledger.engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


def is_sqlite(vault: Vault) -> bool:
    return vault.ledger.engine.dialect.name == "sqlite"


def test_a_backup_is_for_its_owner_only_and_says_what_it_lacks(vault: Vault) -> None:
    assert stat.S_IMODE(vault.file.stat().st_mode) == 0o600
    assert vault.saved.size == vault.file.stat().st_size > 0
    assert {"secrets.toml", "digest.toml", "templates/", "articles/"} <= set(vault.saved.not_contained)
    assert [path.name for path in vault.file.parent.glob("*backup*")] == ["backup"]


def test_what_changed_since_is_as_it_was_and_all_else_is_there(vault: Vault) -> None:
    with vault.ledger.engine.begin() as connection:
        connection.execute(text("UPDATE subscriber SET name = 'changed'"))
    vault.ledger.engine.dispose()
    restored = vault.restore()
    assert (restored.aftermath.held, restored.aftermath.uncertain) == ((21,), 3)
    assert [state for _, state in vault.content()] == ["uncertain"] * 3
    with vault.ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM subscriber WHERE name = 'changed'")).scalar_one() == 0
    vault.ledger.reader()  # numbers go on where they were
    db.check_revision(vault.ledger.engine)


def test_a_database_that_is_gone_comes_back(vault: Vault) -> None:
    if not is_sqlite(vault):
        with vault.ledger.engine.begin() as connection:
            for name in ("attempt", "delivery", "alembic_version"):
                connection.execute(text(f"DROP TABLE {name} CASCADE"))
    else:
        Path(str(vault.ledger.engine.url.database)).unlink()
    vault.ledger.engine.dispose()
    restored = vault.restore()
    assert restored.kept is None
    assert len(vault.content()) == 3


def test_a_broken_database_comes_back_and_the_ruin_is_kept(vault: Vault) -> None:
    if not is_sqlite(vault):
        pytest.skip("a server's files are the server's")
    path = Path(str(vault.ledger.engine.url.database))
    path.write_bytes(b"SQLite format 3\x00" + os.urandom(9000))
    with backups.restoring(vault.workspace, vault.file) as ready:
        assert ready.loses == "it cannot be read"
        restored = ready.run()
    assert restored.kept is not None
    assert restored.kept.stat().st_size == 9016
    assert len(vault.content()) == 3


def test_the_replaced_database_is_kept_and_the_mode_is_its_own(vault: Vault) -> None:
    if not is_sqlite(vault):
        pytest.skip("PostgreSQL keeps nothing")
    path = Path(str(vault.ledger.engine.url.database))
    path.chmod(0o640)
    kept = vault.restore().kept
    assert kept is not None
    with closing(sqlite3.connect(kept)) as old:
        assert old.execute("SELECT count(*) FROM delivery WHERE state = 'started'").fetchone() == (1,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    again = vault.restore().kept
    assert again != kept


def truncated(file: Path, fraction: float) -> bytes:
    data = file.read_bytes()
    return data[: int(len(data) * fraction)]


BAD: dict[str, Callable[[Vault], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"[database]\nurl = 'sqlite:///digest.db'\n",
    "head only": lambda vault: truncated(vault.file, 0)[:0] + vault.file.read_bytes()[:16],
    "a half": lambda vault: truncated(vault.file, 0.5),
    "nearly all": lambda vault: truncated(vault.file, 0.97),
    "rotten": lambda vault: vault.file.read_bytes()[:5000] + b"\xa5" * 4000 + vault.file.read_bytes()[9000:],
    "the other kind": lambda vault: (b"PGDMP" if is_sqlite(vault) else b"SQLite format 3\x00") + bytes(500),
    "noise": lambda vault: vault.file.read_bytes()[:16] + os.urandom(20_000),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_no_backup_is_told_and_changes_nothing(vault: Vault, what: str, tmp_path: Path) -> None:
    before = vault.content()
    bad = tmp_path / "bad"
    bad.write_bytes(BAD[what](vault))
    with pytest.raises(BackupUnusableError) as caught:
        vault.restore(bad)
    assert str(bad) in caught.value.message
    assert caught.value.message.count("\n") == 0
    assert vault.content() == before
    assert not list(tmp_path.glob("*.restoring*"))


@pytest.mark.parametrize("name", ["nothing", ".", "x" * 5000, "a\x00b", "/dev/null", "?mode=rw#%00"])
def test_a_name_that_names_no_file_is_told(vault: Vault, name: str, tmp_path: Path) -> None:
    with pytest.raises(BackupUnusableError):
        vault.restore(tmp_path / name)


def test_a_name_with_every_kind_of_sign_works(vault: Vault, tmp_path: Path) -> None:
    odd = tmp_path / "a ?b#c%20d&immutable=0 'é.backup"
    backups.backup(vault.workspace, odd)
    assert vault.restore(odd).aftermath.uncertain == 3


def test_a_foreign_database_is_refused(vault: Vault, tmp_path: Path) -> None:
    if not is_sqlite(vault):
        pytest.skip("tested with a dump, below")
    for statement in ("CREATE TABLE t (x)", "CREATE TRIGGER evil AFTER UPDATE ON issue BEGIN DELETE FROM issue; END"):
        foreign = tmp_path / f"foreign{len(statement)}"
        if "TRIGGER" in statement:
            shutil.copyfile(vault.file, foreign)
        with closing(sqlite3.connect(foreign)) as connection:
            connection.execute(statement)
        with pytest.raises(BackupUnusableError, match="not a digestpress"):
            vault.restore(foreign)


def test_a_foreign_dump_is_refused(vault: Vault, tmp_path: Path) -> None:
    if is_sqlite(vault):
        pytest.skip("tested with a database, above")
    engine = vault.ledger.engine
    with engine.begin() as connection:
        connection.execute(text("CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS 'SELECT 1'"))
    dump = [postgres.program("pg_dump"), "-Fc", "-f", str(tmp_path / "foreign")]
    postgres._run([*dump, f"--dbname={postgres._address(engine)}"], engine)
    with pytest.raises(BackupUnusableError, match="not one made by"):
        vault.restore(tmp_path / "foreign")


def changed_revision(vault: Vault, revision: str) -> None:
    """Take the backup again, of a database that says that it is of that revision."""
    engine = vault.ledger.engine
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    if revision == "9999":
        with pytest.raises(db.DatabaseNewerError):
            backups.backup(vault.workspace, vault.file)
    if is_sqlite(vault):
        with closing(sqlite3.connect(str(engine.url.database))) as source, closing(sqlite3.connect(vault.file)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    else:
        postgres.save(engine, vault.file, backups.TABLES)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": db.HEAD})
    engine.dispose()


def test_a_backup_of_a_newer_version_is_refused(vault: Vault) -> None:
    changed_revision(vault, "9999")
    before = vault.content()
    with pytest.raises(db.DatabaseNewerError):
        vault.restore()
    assert vault.content() == before


def test_a_backup_of_an_older_version_is_upgraded(vault: Vault) -> None:
    engine = vault.ledger.engine
    with engine.begin() as connection:
        command.downgrade(db.alembic_config(connection), "0001")
    backups.backup(vault.workspace, vault.file)  # the upgrade wants a backup first
    changed_revision(vault, "0001")
    vault.restore()
    db.check_revision(engine)
    assert [state for _, state in vault.content()] == ["uncertain"] * 3


def test_an_interrupted_restore_leaves_a_database_of_no_use(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    before = vault.content()
    with monkeypatch.context() as patched:
        patched.setattr(backups, "settle_down", fail)
        with pytest.raises(KeyboardInterrupt):
            vault.restore()
    if is_sqlite(vault):
        assert vault.content() == before
        return
    with pytest.raises(db.RestoreUnfinishedError):
        db.check_revision(vault.ledger.engine)
    with pytest.raises(db.RestoreUnfinishedError):
        db.upgrade(vault.ledger.engine)
    assert vault.restore().aftermath.uncertain == 3


def test_nothing_is_restored_under_a_worker_that_lives(vault: Vault) -> None:
    lock = WorkerLock(vault.ledger.witness.folder, "w9")
    lock.acquire()
    vault.ledger.worker("w9", host=HOST)
    vault.ledger.engine.dispose()
    with pytest.raises(backups.WorkersRunningError, match="here"):
        vault.restore()
    lock.release(clean=True)


def test_nothing_is_swapped_under_who_has_the_database_open(vault: Vault) -> None:
    if not is_sqlite(vault):
        pytest.skip("a server's clients see what is restored")
    before = vault.content()
    with vault.ledger.engine.connect() as connection:
        connection.execute(select(ISSUE.c.id)).all()
        connection.rollback()
        with pytest.raises(DatabaseInUseError):
            vault.restore()
    assert vault.content() == before


def test_a_backup_replaces_an_earlier_backup_and_nothing_else(vault: Vault, tmp_path: Path) -> None:
    backups.backup(vault.workspace, vault.file)
    precious = tmp_path / "precious.toml"
    precious.write_text("[important]")
    for path in (precious, tmp_path):
        with pytest.raises(UsageError, match="not a backup"):
            backups.backup(vault.workspace, path)
    assert precious.read_text() == "[important]"
    if is_sqlite(vault):
        own = Path(str(vault.ledger.engine.url.database))
        link = tmp_path / "link"
        link.symlink_to(own)
        for path in (own, link):
            with pytest.raises(UsageError, match="itself"):
                backups.backup(vault.workspace, path)
    in_use = tmp_path / "other.db"
    shutil.copyfile(vault.file, in_use)
    (tmp_path / "other.db-wal").write_bytes(b"x")
    with pytest.raises(UsageError, match="not a backup"):
        backups.backup(vault.workspace, in_use)


def test_a_backups_folder_is_made_for_its_owner_only(vault: Vault, tmp_path: Path) -> None:
    backups.backup(vault.workspace, tmp_path / "made" / "backup")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["file/backup", "x" * 5000, "a\x00b"])
def test_a_backup_that_cannot_be_written_is_told(vault: Vault, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupFailedError, match="cannot be written"):
        backups.backup(vault.workspace, tmp_path / name)


def sabotaged(vault: Vault, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], None]) -> BaseException:
    """The error of a backup whose file something happens to before it is looked at; the earlier one stays."""
    before = vault.file.read_bytes()
    with monkeypatch.context() as patched:
        for module in (sqlite, postgres):
            patched.setattr(module, "sync", act)
        with pytest.raises((BackupFailedError, KeyboardInterrupt)) as caught:
            backups.backup(vault.workspace, vault.file)
    assert vault.file.read_bytes() == before
    assert sorted(path.name for path in vault.file.parent.glob("*backup*")) == ["backup"]
    return caught.value


@pytest.mark.parametrize("fraction", [0.4, 0.97])
def test_a_new_backup_that_is_damaged_replaces_nothing(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, fraction: float
) -> None:
    error = sabotaged(vault, monkeypatch, lambda path: path.write_bytes(truncated(path, fraction)))
    assert "new backup" in str(error)
    assert str(error) == BackupRecord.read(vault.workspace).failure


def test_a_new_backup_that_lacks_rows_replaces_nothing(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(path: Path) -> None:
        if is_sqlite(vault):
            with closing(sqlite3.connect(path)) as copy, copy:
                copy.execute("DELETE FROM attempt")

    if not is_sqlite(vault):
        counted = {"attempt": 0}
        monkeypatch.setattr(postgres, "_rows", lambda _: counted)
    assert "0 rows of a" in str(sabotaged(vault, monkeypatch, lose))


def test_a_stopped_backup_replaces_nothing_and_is_remembered(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    verified = BackupRecord.read(vault.workspace)
    sabotaged(vault, monkeypatch, stop)
    last = BackupRecord.read(vault.workspace)
    assert (last.verified_at, last.file, last.size) == (verified.verified_at, str(vault.file), vault.saved.size)
    assert "started but did not finish" in last.failure


def test_a_damaged_sqlite_database_replaces_no_backup(vault: Vault) -> None:
    if not is_sqlite(vault):
        pytest.skip("tested with a server's files, below")
    path = Path(str(vault.ledger.engine.url.database))
    before, sound = vault.file.read_bytes(), path.read_bytes()
    for act in (damage_rows, damage_cells, lambda path, _: damage(path, 0, 100)):
        act(path, "subscriber")
        with pytest.raises(db.DatabaseDamagedError, match="damaged") as caught:
            backups.backup(vault.workspace, vault.file)
        assert "restore" in caught.value.hint
        assert vault.file.read_bytes() == before
        path.write_bytes(sound)
    assert "damaged" in BackupRecord.read(vault.workspace).failure
    assert backups.backup(vault.workspace, vault.file).rows == vault.saved.rows


def test_a_servers_damaged_table_replaces_no_backup(
    damaged_server: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    create(tmp_path / "workspace", sample=False)
    url = damaged_server("subscriber", 0, 24).url.render_as_string(hide_password=False)
    monkeypatch.setenv("DIGEST_DATABASE__URL", url)
    earlier = tmp_path / "earlier"
    earlier.write_bytes(b"PGDMP")
    with pytest.raises(db.DatabaseDamagedError, match="damaged"):
        backups.backup(tmp_path / "workspace", earlier)
    assert earlier.read_bytes() == b"PGDMP"


def test_a_full_disk_keeps_the_earlier_backup(vault: Vault, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 4) as disk:
        file = disk / "backup"
        backups.backup(vault.workspace, file)
        before = file.read_bytes()
        with filled(disk), pytest.raises(BackupFailedError):
            backups.backup(vault.workspace, file)
        assert (file.read_bytes(), list(disk.iterdir())) == (before, [file])


def test_old_backups_go_only_after_a_new_one_is_good(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = vault.file.parent / "backups"
    backups.backup(vault.workspace, folder / "a.backup", keep_days=30)
    shutil.copyfile(folder / "a.backup", folder / "other.db")
    (folder / "notes.backup").write_text("not from this workspace")
    (folder / "folder.backup").mkdir()
    (folder / "broken.backup").symlink_to("nowhere")
    for path in folder.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    with monkeypatch.context() as patched:
        for module in (sqlite, postgres):
            patched.setattr(module, "sync", lambda path: path.write_bytes(truncated(path, 0.5)))
        with pytest.raises(BackupFailedError):
            backups.backup(vault.workspace, folder / "b.backup", keep_days=30)
    assert (folder / "a.backup").exists()
    assert backups.backup(vault.workspace, folder / "b.backup", keep_days=30).removed == (folder / "a.backup",)
    assert sorted(path.name for path in folder.iterdir()) == [
        *("b.backup", "broken.backup", "folder.backup", "notes.backup", "other.db")
    ]
    assert BackupRecord.read(vault.workspace).file == str(folder / "b.backup")
    os.utime(folder / "b.backup", (0, 0))
    assert backups.backup(vault.workspace, folder / "b.backup", keep_days=30).removed == ()
    with pytest.raises(UsageError, match="ending"):
        backups.backup(vault.workspace, folder / "c.db", keep_days=30)


def test_what_a_killed_backup_left_is_removed_a_day_later(vault: Vault) -> None:
    names = (
        ".a.backup.1-2.partial",
        ".a.backup.1-2.partial-journal",
        ".b.backup.3-4.partial",
        ".c.partial",
        "d.partial",
    )
    old, journal, new, *others = (vault.file.parent / name for name in names)
    for path in (old, journal, new, *others):
        path.write_bytes(bytes(100))  # killed early, it has not even a head
    for path in (old, journal, *others):
        os.utime(path, (0, 0))
    backups.backup(vault.workspace, vault.file)
    assert [path.exists() for path in (old, journal, new, *others)] == [False, False, True, True, True]


def test_without_postgresqls_programs_it_says_which_is_missing(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if is_sqlite(vault):
        pytest.skip("SQLite needs none")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "_FOLDERS", ())
    for act in (lambda: backups.backup(vault.workspace, vault.file), vault.restore):
        with pytest.raises(postgres.ProgramMissingError, match="is not installed"):
            act()


def test_what_runs_since_the_backup_is_not_run_again(vault: Vault, engine: Engine, now: datetime) -> None:
    settings = load_settings(vault.workspace)
    with Session(engine) as session:
        runs.install(session, MONTHLY, now - timedelta(days=3))
        runs.claim(session, MONTHLY, "2021-08", now - timedelta(days=2), by="me", now=now - timedelta(days=2))
        assert skip_since_backup(session, settings, now + timedelta(days=32)) == ["2021-08", "2021-09", "2021-10"]
        assert runs.take_over(session, "me", timedelta(0), now + timedelta(days=60)) == []
        assert skip_since_backup(session, settings, now + timedelta(days=32)) == []


def test_a_backup_has_every_table_though_few_modules_are_loaded(engine: Engine) -> None:
    program = "from digest.workspace.backup import backup; print(*sorted(backup.TABLES))"
    alone = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    # the queue's tables are not ours: what it holds is only who is to be woken
    found = {name for name in inspect(engine).get_table_names() if not name.startswith("procrastinate_")}
    assert {*alone, "alembic_version"} == found
