"""Shared fixtures: fresh databases of both kinds, a fixed instant, Chromium."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.runtime.db import make_engine, upgrade
from tests.support.frozen import Frozen
from tests.support.ledger import Ledger
from tests.support.postgres import PostgresServer, PostgresUnavailableError, start_postgres
from tests.support.privacy import WATCH, nothing_personal_is_logged  # noqa: F401 - for every test
from tests.support.samples import approved, sample, samples, samples_by_kind, sent, world  # noqa: F401 - worlds for every kind of test
from tests.support.verifiers import Mailauth, MailauthUnavailableError, install_mailauth

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also the long runs")
    parser.addoption("--database", choices=["sqlite", "postgresql", "both"], default="both")


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell makes its background jobs ignore Ctrl-C, and whatever the tests start would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    WATCH.begin()


def pytest_unconfigure() -> None:
    WATCH.end()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="a long run; add --slow"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--database")
        kinds = ["sqlite", "postgresql"] if chosen == "both" else [chosen]
        if metafunc.definition.get_closest_marker("one_database") and not metafunc.config.getoption("--slow"):
            kinds = kinds[:1]
        metafunc.parametrize("database_kind", kinds, scope="session")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        server = start_postgres()
    except PostgresUnavailableError as error:
        if os.environ.get("CI"):
            raise  # in CI half of the promises would go untested, silently
        pytest.skip(f"no PostgreSQL: {error}")
    with server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()  # the last connection writes the WAL back into the file
    return path


@pytest.fixture(scope="session")
def before_postgres_ends(postgres: PostgresServer) -> Iterator[tuple[PostgresServer, ExitStack]]:
    with ExitStack() as stack:
        yield postgres, stack


@pytest.fixture(scope="session")
def frozen(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    """Templates that tests have made, of both kinds of database."""

    def server() -> tuple[PostgresServer, ExitStack]:
        found: tuple[PostgresServer, ExitStack] = request.getfixturevalue("before_postgres_ends")
        return found

    return Frozen(tmp_path_factory.mktemp("frozen"), sqlite_template, server)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database of each kind, as a URL (for processes of their own)."""
    if database_kind == "sqlite":
        path = tmp_path / "digest.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.database() as url:
            yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "one.db"
    shutil.copyfile(sqlite_template, path)
    engine = make_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def now() -> datetime:
    """The day of the sample issue, 09:00 in Seoul."""
    return datetime(2021, 9, 30, tzinfo=UTC)


@pytest.fixture
def ledger(engine: Engine, now: datetime, tmp_path: Path) -> Ledger:
    """The outbox on each database: what is tested with it holds on both."""
    return Ledger(engine, now, tmp_path)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        # On Ubuntu the Debian package's name is a stub that starts a snap.
        if path and "snap" not in Path(path).resolve().as_posix():
            return path
    reason = "no Chromium: apt-get install chromium, or scripts/bootstrap as root"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def mailauth(tmp_path_factory: pytest.TempPathFactory) -> Mailauth:
    try:
        return install_mailauth(tmp_path_factory.mktemp("mailauth"))
    except MailauthUnavailableError as error:
        if os.environ.get("CI"):
            raise  # a signature that only one program accepts is none
        pytest.skip(f"no mailauth: {error}")
