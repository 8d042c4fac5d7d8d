"""The sample issue, made once: drafted for the desk, sent for the public pages. Modules on both databases make their own."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.pipeline import Press
from digest.runtime.db import make_engine
from digest.testing import FrozenClock
from subscribers.links import LinkSigner
from tests.unit.digest.web import sample

NOW = datetime(2021, 9, 30, tzinfo=UTC)
KEY = "a key for links, long enough"


def _made(folder: Path, template: Path, *, sent: bool) -> Path:
    shutil.copyfile(template, folder / "digest.db")
    engine = make_engine(f"sqlite:///{folder / 'digest.db'}")
    press = sample.issue_21(engine, folder, NOW)
    if sent:
        sample.send_out(press, NOW)
    engine.dispose()
    return folder


@pytest.fixture(scope="session")
def drafted_folder(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    return _made(tmp_path_factory.mktemp("drafted"), sqlite_template, sent=False)


@pytest.fixture(scope="session")
def sent_folder(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    return _made(tmp_path_factory.mktemp("sent"), sqlite_template, sent=True)


def _copy(source: Path, target: Path) -> Iterator[Press]:
    shutil.copytree(source, target)
    engine: Engine = make_engine(f"sqlite:///{target / 'digest.db'}")
    yield sample.press_on(engine, target)
    engine.dispose()


@pytest.fixture
def drafted(drafted_folder: Path, tmp_path: Path) -> Iterator[Press]:
    """Issue 21 as a draft, in a workspace of the test's own."""
    yield from _copy(drafted_folder, tmp_path / "workspace")


@pytest.fixture
def sent(sent_folder: Path, tmp_path: Path) -> Iterator[Press]:
    """Issue 21 as it is after it went out, in a workspace of the test's own."""
    yield from _copy(sent_folder, tmp_path / "workspace")


@pytest.fixture
def signer(press: Press) -> LinkSigner:
    return LinkSigner([KEY], press.settings.publication.base_url)


@pytest.fixture
def client(press: Press, signer: LinkSigner, now: datetime) -> Iterator[TestClient]:
    """A browser at the public pages of the module's `press`."""
    app = sample.public(press, signer, FrozenClock(now))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
