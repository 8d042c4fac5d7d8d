"""The migrations and the models say the same, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlmodel import SQLModel

from digest.runtime.db import (
    HEAD,
    DatabaseNewerError,
    DatabaseOlderError,
    alembic_config,
    check_revision,
    make_engine,
    upgrade,
)
from digest.runtime.queue_schema import is_ours


def test_all_migrations_applied_equal_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_revision_that_commands_ask_for_is_the_newest() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    check_revision(engine)


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
