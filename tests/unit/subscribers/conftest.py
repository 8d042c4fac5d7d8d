"""Fixtures of the audience's tests."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.support.site import BASE_URL, Reader, Site


@pytest.fixture
def site(engine: Engine, now: datetime) -> Site:
    return Site(engine, now)


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    with Reader(site, base_url=BASE_URL) as client:
        yield client
