"""The sample issue, made once: drafted for the desk, sent for the public pages."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.publish.publisher import Publisher
from digest.testing import FrozenClock
from subscribers.links import LinkSigner
from tests.support import web_sample
from tests.support.frozen import Frozen
from tests.support.web_sample import HOME

NOW = datetime(2021, 9, 30, tzinfo=UTC)
KEY = "a key for links, long enough"


@pytest.fixture
def drafted(frozen: Frozen, tmp_path: Path) -> Iterator[Publisher]:
    """Issue 21 as a draft, in a workspace of the test's own."""
    yield from _copy(frozen, "sqlite", "drafted", tmp_path)


@pytest.fixture
def sent(frozen: Frozen, tmp_path: Path) -> Iterator[Publisher]:
    """Issue 21 as it is after it went out, in a workspace of the test's own."""
    yield from _copy(frozen, "sqlite", "sent", tmp_path)


@pytest.fixture
def press(sent: Publisher) -> Publisher:
    """What the pages of a module are about: the issue that went out, unless the module has another."""
    return sent


@pytest.fixture
def drafted_on_each(frozen: Frozen, database_kind: str, tmp_path: Path) -> Iterator[Publisher]:
    """The draft, on each kind of database."""
    yield from _copy(frozen, database_kind, "drafted", tmp_path)


@pytest.fixture
def sent_on_each(frozen: Frozen, database_kind: str, tmp_path: Path) -> Iterator[Publisher]:
    """The issue that went out, on each kind of database."""
    yield from _copy(frozen, database_kind, "sent", tmp_path)


def _copy(frozen: Frozen, kind: str, name: str, folder: Path) -> Iterator[Publisher]:
    def fill(engine: Engine, workspace: Path) -> None:
        press = web_sample.issue_21(engine, workspace, NOW)
        if name == "sent":
            web_sample.send_out(press, NOW)

    with frozen.copy(kind, f"issue-21-{name}", fill, folder / "workspace") as engine:
        yield web_sample.press_on(engine, folder / "workspace")


@pytest.fixture
def signer(press: Publisher) -> LinkSigner:
    return LinkSigner([KEY], press.settings.publication.base_url)


@pytest.fixture
def client(press: Publisher, signer: LinkSigner, now: datetime) -> Iterator[TestClient]:
    """A browser at the public pages of the module's `press`."""
    app = web_sample.public(press, signer, FrozenClock(now))
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        yield client
