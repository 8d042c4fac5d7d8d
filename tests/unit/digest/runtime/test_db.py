"""Which addresses of databases are understood, and what is said of the others."""

import pytest

from digest.runtime.db import make_engine
from digest.runtime.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///digest.db", "sqlite"),
        ("sqlite+pysqlite:///digest.db", "sqlite"),
        ("postgres://u@h/n", "postgresql+psycopg"),
        ("postgresql://u@h/n", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h/n", "postgresql+psycopg"),
    ],
)
def test_the_databases_we_use(url: str, driver: str) -> None:
    engine = make_engine(url)
    assert engine.url.drivername == driver
    engine.dispose()


@pytest.mark.parametrize("driver", ["mysql", "postgresql+psycopg2", "postgresql+asyncpg", "sqlite+aiosqlite", "oracle"])
def test_another_database_is_named_and_nothing_is_installed(driver: str) -> None:
    with pytest.raises(ConfigError, match=f"'{driver.replace('+', '.')}' is not a database") as refused:
        make_engine(f"{driver}://user:secret@host/name")
    assert "postgresql://" in refused.value.hint
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "postgresql://u:secret@[::1", "postgresql://u:secret@h:port/n", "sqlite"]
)
def test_what_is_no_address_is_told_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid database address") as refused:
        make_engine(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="does not name a file") as refused:
        make_engine(url)
    assert "sqlite:///digest.db" in refused.value.hint
