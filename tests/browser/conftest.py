"""The system's Chromium, started once, and databases that tests of a file share when they only read."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine

from digest.runtime.db import make_engine
from tests.support.forked_commands import ForkedCommands


@pytest.fixture(scope="session")
def driver() -> None:
    """Playwright's own Node starts; Playwright itself would only say "Connection closed"."""
    node, _ = compute_driver_executable()
    tried = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return
    said = tried.stderr.strip()
    way = "apt-get install libatomic1, or scripts/tools as root" if "libatomic" in said else "reinstall playwright"
    reason = f"Playwright's Node does not start ({said}): {way}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


# Not for the session: while it is open, nothing else in this process can run an event loop of its own.
@pytest.fixture(scope="package")
def browser(chromium: str, driver: None) -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="package")
def commands() -> Iterator[ForkedCommands]:
    made = ForkedCommands()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_day() -> datetime:
    """The day of the sample issue, as `now`, for what a whole file shares."""
    return datetime(2021, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def shared_engine(sqlite_template: Path, shared_folder: Path) -> Iterator[Engine]:
    """A database for tests that only read it."""
    path = shared_folder / "shared.db"
    shutil.copyfile(sqlite_template, path)
    engine = make_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()
