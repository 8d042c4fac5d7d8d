"""A copy of the database is refused or whole; what it holds is held by tests/proof/test_copy.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlmodel import Session

from digest.outbox.tables import DELIVERY, SUBSCRIBER
from digest.outbox.workers import WorkerLock
from digest.runtime import db
from digest.runtime.errors import UsageError
from digest.workspace import copy
from digest.workspace.backup.backup import WorkersRunningError
from digest.workspace.copy import CopyFailedError, TargetNotEmptyError, copy_database
from digest.workspace.create import create
from tests.support.ledger import HOST, Ledger
from tests.support.postgres import PostgresServer


@pytest.fixture
def workspace(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose database is a ledger of three deliveries."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("DIGEST_DATABASE__URL", ledger.engine.url.render_as_string(hide_password=False))
    create(folder, sample=False)
    ledger.planned(3)
    ledger.engine.dispose()
    return folder


@pytest.fixture
def target(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty database of the other kind."""
    if database_kind == "postgresql":
        yield f"sqlite:///{tmp_path / 'copy.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database("template0") as url:
        yield url


def rows_in(url: str) -> int | None:
    """How many deliveries a database holds, None without a schema."""
    engine = db.make_engine(url)
    try:
        with engine.connect() as connection:
            if db.revision_of(engine) is None:
                return None
            return connection.execute(select(func.count()).select_from(DELIVERY)).scalar_one()
    finally:
        engine.dispose()


def test_a_copy_is_counted_and_its_ids_go_on(workspace: Path, target: str) -> None:
    counted: list[int] = []
    copied = copy_database(workspace, target, counted.append)
    assert (copied.tables["delivery"].rows, copied.revision, counted[-1]) == (3, db.HEAD, copied.rows)
    engine = db.make_engine(target)
    with Session(engine) as session:
        people = session.execute(select(SUBSCRIBER).order_by(SUBSCRIBER.c.id)).mappings().all()
        values = {name: value for name, value in people[0].items() if name != "id"}
        new = {**values, "ref": "f" * 32, "address_key": "new", "suppression_key": None}
        found = session.execute(insert(SUBSCRIBER).values(new).returning(SUBSCRIBER.c.id)).scalar_one()
    engine.dispose()
    assert found == people[-1]["id"] + 1


def test_a_target_with_rows_is_refused_and_kept(workspace: Path, target: str) -> None:
    copy_database(workspace, target)
    with pytest.raises(TargetNotEmptyError, match=r"is not empty: [a-z_]+ has rows"):
        copy_database(workspace, target)
    assert rows_in(target) == 3


def test_an_empty_schema_is_no_obstacle(workspace: Path, target: str) -> None:
    engine = db.make_engine(target)
    db.upgrade(engine)
    engine.dispose()
    assert copy_database(workspace, target).tables["delivery"].rows == 3


def test_tables_of_another_program_are_left_alone(workspace: Path, target: str) -> None:
    engine = db.make_engine(target)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE article (id INTEGER)"))
    engine.dispose()
    with pytest.raises(TargetNotEmptyError, match="another program"):
        copy_database(workspace, target)


def test_a_database_is_not_copied_onto_itself(workspace: Path, ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="itself"):
        copy_database(workspace, ledger.engine.url.render_as_string(hide_password=False))


def test_nothing_is_copied_under_a_worker_that_lives(workspace: Path, ledger: Ledger, target: str) -> None:
    lock = WorkerLock(ledger.witness.folder, "w9")
    lock.acquire()
    ledger.worker("w9", host=HOST)
    ledger.engine.dispose()
    with pytest.raises(WorkersRunningError):
        copy_database(workspace, target)
    lock.release(clean=True)


def test_a_copy_that_differs_is_not_kept(workspace: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_rows = copy._insert

    def lossy(here: object, table: object, rows: list[object]) -> None:
        insert_rows(here, table, rows[1:] if str(table) == "delivery" else rows)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(copy, "_insert", lossy)
        with pytest.raises(CopyFailedError, match="delivery differs: 2 rows instead of 3"):
            copy_database(workspace, target)
    assert rows_in(target) is None
    assert copy_database(workspace, target).tables["delivery"].rows == 3


def test_nobody_writes_to_the_source_meanwhile(
    workspace: Path, ledger: Ledger, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(_rows: int) -> None:
        with ledger.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = 100"))
            connection.execute(update(SUBSCRIBER).values(state="unsubscribed"))

    monkeypatch.setattr(db, "BUSY_SECONDS", 0.1)
    with pytest.raises(db.DatabaseUnreachableError):
        copy_database(workspace, target, leave)
    assert rows_in(target) is None


@pytest.mark.one_database
def test_what_postgresql_cannot_hold_is_named(workspace: Path, ledger: Ledger, target: str) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(update(SUBSCRIBER).values(name="a\0b"))
    ledger.engine.dispose()
    if ledger.engine.dialect.name == "sqlite":
        with pytest.raises(CopyFailedError, match="does not accept a row of subscriber"):
            copy_database(workspace, target)
        assert rows_in(target) is None
