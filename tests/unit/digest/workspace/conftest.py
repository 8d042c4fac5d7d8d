"""A PostgreSQL database with a damaged file."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.runtime import db
from tests.support import damage
from tests.support.ledger import Ledger
from tests.support.postgres import PostgresServer, database_name


@pytest.fixture
def damaged_server(postgres: PostgresServer, now: datetime, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """A function that returns a database with a damaged table or index."""
    with postgres.database() as url:
        sound, names, engines = db.make_engine(url), [], []
        Ledger(sound, now, tmp_path).planned(100)

        def damaged(relation: str, offset: int, length: int) -> Engine:
            damage.damage(damage.server_file(sound, relation), offset, length)
            sound.dispose()
            # a copy of the files: in the database itself the page is still in memory
            name = f"{database_name(url)}_{len(names)}"
            postgres._execute(f'CREATE DATABASE "{name}" TEMPLATE "{database_name(url)}" STRATEGY FILE_COPY')
            names.append(name)
            engines.append(db.make_engine(postgres._url_of(name)))
            return engines[-1]

        yield damaged
        for name, engine in zip(names, engines, strict=True):
            engine.dispose()
            postgres._execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        sound.dispose()
