"""Fixtures for the tests of articles."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from tests.support.editor import Desk, picture


@pytest.fixture
def session(sqlite_engine: Engine) -> Iterator[Session]:
    with Session(sqlite_engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def desk(session: Session, tmp_path: Path, now: datetime) -> Desk:
    folder = tmp_path / "articles"
    folder.mkdir()
    return Desk(session, folder, now)


@pytest.fixture
def image() -> Callable[..., bytes]:
    return picture
