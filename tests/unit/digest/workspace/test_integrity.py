"""Damage of a database is found, and the table is named, on both databases."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from digest.runtime import db
from digest.workspace.backup.backup import TABLES
from digest.workspace.integrity import Integrity, check
from tests.support import damage
from tests.support.ledger import Ledger
from tests.support.postgres import PostgresServer


@pytest.fixture
def database(sqlite_engine: Engine, now: datetime, tmp_path: Path) -> Path:
    """A SQLite database with a hundred readers, which nobody has open."""
    Ledger(sqlite_engine, now, tmp_path).planned(100)
    sqlite_engine.dispose()
    return Path(str(sqlite_engine.url.database))


def checked(path: Path) -> Integrity:
    engine = db.make_engine(f"sqlite:///{path}")
    try:
        return check(engine, TABLES)
    finally:
        engine.dispose()


def test_a_sound_database_has_no_damage(engine: Engine, now: datetime, tmp_path: Path) -> None:
    Ledger(engine, now, tmp_path).planned(3)
    assert check(engine, TABLES).damage == ()


@pytest.mark.parametrize("act", [damage.damage_rows, damage.damage_cells])
def test_a_damaged_page_names_its_table(database: Path, act: Callable[[Path, str], None]) -> None:
    act(database, "subscriber")
    found = checked(database).damage
    assert {one.table for one in found} == {"subscriber"}
    assert "example.org" not in "".join(map(str, found))


def test_a_text_that_is_none_any_more_is_found(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE subscriber SET name = CAST(x'41ff42' AS TEXT) WHERE id = 7")
    assert [str(one) for one in checked(database).damage] == [
        "subscriber: the column name contains bytes that are not text"
    ]


def test_a_damaged_index_names_its_table(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        name = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'subscriber'"
        index = connection.execute(name).fetchone()[0]
    damage.damage_rows(database, index)
    assert {one.table for one in checked(database).damage} == {"subscriber"}


def test_a_row_that_belongs_to_nothing_is_found(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM subscriber WHERE id < 8")
    assert [str(one) for one in checked(database).damage] == [
        "delivery: 7 rows belong to a row of subscriber that does not exist"
    ]


@pytest.mark.parametrize("length", [3, 60, 100, 5000])
def test_a_file_that_is_no_database_any_more_is_told(database: Path, length: int) -> None:
    damage.damage(database, 0, length)
    with pytest.raises(db.DatabaseDamagedError) as caught:
        checked(database)
    assert "restore" in caught.value.hint


def test_a_servers_damaged_page_names_its_table(damaged_server: Callable[..., Engine]) -> None:
    found = check(damaged_server("subscriber", 0, 24), TABLES)
    assert {one.table for one in found.damage} == {"subscriber"}
    assert "amcheck is not installed" in found.not_checked


def install_amcheck(engine: Engine) -> None:
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION amcheck"))
    except DBAPIError as error:
        pytest.skip(f"the server has no amcheck: {error}")


def test_without_the_right_to_amcheck_it_says_so(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        engine = db.make_engine(url)
        install_amcheck(engine)
        with engine.begin() as connection:
            connection.execute(text("CREATE ROLE plain LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain"))
        plain = db.make_engine(engine.url.set(username="plain").render_as_string(hide_password=False))
        found = check(plain, TABLES)
        plain.dispose()
        with engine.begin() as connection:
            connection.execute(text("DROP OWNED BY plain; DROP ROLE plain"))
        engine.dispose()
    assert found.damage == ()
    assert "permission denied" in found.not_checked
    assert "superuser" in found.remedy


def test_a_servers_damaged_index_is_found_by_amcheck(damaged_server: Callable[..., Engine]) -> None:
    engine = damaged_server("subscriber_address_key_key", 8192 + 6000, 2000)
    install_amcheck(engine)
    found = check(engine, TABLES)
    assert found.not_checked == ""
    assert [one.table for one in found.damage] == ["subscriber"]
    assert found.damage[0].message.startswith("index subscriber_address_key_key: ")
