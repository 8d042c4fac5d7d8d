"""The migrations and the models say the same, on both databases."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import SQLModel

from digest.runtime.db import (
    HEAD,
    DatabaseNewerError,
    DatabaseOlderError,
    alembic_config,
    check_revision,
    make_engine,
    queue_of,
    upgrade,
)
from digest.runtime.queue_schema import QueueSchema, is_ours
from tests.support.postgres import PostgresServer


def test_all_migrations_applied_equal_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_revision_that_commands_ask_for_is_the_newest() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    before = schema(engine)
    upgrade(engine)
    check_revision(engine)
    assert schema(engine) == before


def schema(engine: Engine) -> set[str]:
    """Every table and index as a statement that makes it, and the revision."""
    found = MetaData()
    found.reflect(engine)
    made: list[Any] = []
    for table in found.sorted_tables:
        made += [CreateTable(table), *map(CreateIndex, table.indexes)]
    with engine.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return {revision, *(str(one.compile(engine)) for one in made)}


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewerError):
        upgrade(engine)
    with pytest.raises(DatabaseNewerError):
        check_revision(engine)


def test_an_empty_database_asks_for_the_upgrade(tmp_path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(DatabaseOlderError) as caught:
        check_revision(engine)
    assert "digest db upgrade" in caught.value.hint
    engine.dispose()


def test_the_queues_tables_are_made_where_there_is_a_queue(engine: Engine) -> None:
    on_postgres = engine.dialect.name == "postgresql"
    assert queue_of(engine) == (QueueSchema.READY if on_postgres else QueueSchema.NOT_NEEDED)


def test_an_older_queue_is_brought_to_where_a_fresh_one_is(postgres: PostgresServer) -> None:
    migrations = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    old = [path for path in migrations if path.name < "03.02"]
    assert old != migrations
    with postgres.database() as url, postgres.database() as fresh_url:
        engine, fresh = make_engine(url), make_engine(fresh_url)
        with engine.begin() as connection:
            _drop_queue(connection)
        for path in old:
            with engine.begin() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute(path.read_text(encoding="utf-8"))
        assert queue_of(engine) is QueueSchema.FOREIGN
        upgrade(engine)  # not ours, so it is left alone
        assert _functions(engine) != _functions(fresh)
        with engine.begin() as connection:
            comment = f"kept by digestpress; newest migration: {old[-1].name}"
            connection.execute(text(f"COMMENT ON TABLE procrastinate_jobs IS '{comment}'"))
        assert queue_of(engine) is QueueSchema.OLDER
        upgrade(engine)
        assert queue_of(engine) is QueueSchema.READY
        assert _functions(engine) == _functions(fresh)
        engine.dispose()
        fresh.dispose()


def test_a_queue_that_is_missing_is_told_and_made(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            _drop_queue(connection)
        assert queue_of(engine) is QueueSchema.MISSING
        assert queue_of(engine).remedy == "digest db upgrade"
        check_revision(engine)  # every command works without it
        upgrade(engine)
        assert queue_of(engine) is QueueSchema.READY
        engine.dispose()


def test_without_procrastinate_the_upgrade_makes_no_queue(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database() as url:
        engine = make_engine(url)
        with engine.begin() as connection:
            _drop_queue(connection)
        monkeypatch.setattr("digest.runtime.queue_schema.find_spec", lambda _name: None)
        upgrade(engine)
        assert queue_of(engine) is QueueSchema.NOT_INSTALLED
        monkeypatch.undo()
        assert queue_of(engine) is QueueSchema.MISSING
        engine.dispose()


def _drop_queue(connection: Connection) -> None:
    for kind, catalogue in (("TABLE", "pg_class WHERE relkind = 'r' AND relname"), ("TYPE", "pg_type WHERE typname")):
        column = catalogue.rsplit(" ", 1)[1]
        query = text(f"SELECT {column} FROM {catalogue} LIKE 'procrastinate\\_%'")
        for (name,) in connection.execute(query).all():
            connection.execute(text(f"DROP {kind} IF EXISTS {name} CASCADE"))
    signatures = "SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'procrastinate\\_%'"
    for (signature,) in connection.execute(text(signatures)).all():
        connection.execute(text(f"DROP FUNCTION IF EXISTS {signature} CASCADE"))


def _functions(engine: Engine) -> list[str]:
    query = "SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'procrastinate\\_%' ORDER BY 1"
    with engine.connect() as connection:
        return list(connection.execute(text(query)).scalars())
