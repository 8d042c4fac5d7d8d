"""Fixtures of the proofs: a press with readers, a relay that counts; how long the runs are."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.proof.press import Press, Relay, press_at
from tests.support.postgres import Cluster, PostgresUnavailableError, own_postgres

MakePress = Callable[[int], Press]
MakeRelay = Callable[[float], Relay]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "round_number" in metafunc.fixturenames:
        rounds = 20 if metafunc.config.getoption("--slow") else 1
        metafunc.parametrize("round_number", range(rounds))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker(pytest.mark.timeout(3_600))


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> bool:
    """Whether this is the long form."""
    return bool(request.config.getoption("--slow"))


@pytest.fixture
def press(tmp_path: Path, database_url: str) -> Iterator[MakePress]:
    with ExitStack() as stack:
        yield lambda readers: stack.enter_context(press_at(tmp_path / "workspace", database_url, readers))


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[MakeRelay]:
    with ExitStack() as stack:

        def make(delay: float = 0.0) -> Relay:
            made = Relay(tmp_path, delay)
            made.start()
            stack.callback(made.kill)
            return made

        yield make


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, str]]:
    """A PostgreSQL of the test's own, which it may kill, and a database on it."""
    if request.config.getoption("--database") == "sqlite":
        pytest.skip("only SQLite was asked for")
    try:
        made = own_postgres(*getattr(request, "param", ()))
        server = made.__enter__()
    except PostgresUnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL: {error}")
    with ExitStack() as stack:
        stack.push(made)
        yield server
