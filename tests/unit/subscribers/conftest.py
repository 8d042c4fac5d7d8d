"""Fixtures of the audience's tests."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.unit.subscribers.site import BASE_URL, Site


@pytest.fixture
def site(engine: Engine, now: datetime) -> Site:
    return Site(engine, now)


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    with TestClient(site.app(), base_url=BASE_URL, follow_redirects=False) as client:
        yield client
