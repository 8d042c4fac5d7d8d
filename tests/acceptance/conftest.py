"""A world for stories: a workspace on a fresh database, the installed command in processes of its own."""

import json
import mailbox
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

WAIT_SECONDS = 60
SAMPLE_DAY = "2021-09-30T08:00:00+09:00"


class World:
    """One workspace; every verb runs the real command."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self.set_now(SAMPLE_DAY)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")},
            "DIGEST_DATABASE__URL": database_url,
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
        }

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "digest"]

    def digest(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        """Run a command to its end; return stdout."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=cwd or self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS * 3,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.digest(*arguments, "--json", expect=expect))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that stays, in a process group of its own."""
        process = subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what a failed test has left running: another test would be told of it."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    @contextmanager
    def running(self, *arguments: str, port: int) -> Iterator[subprocess.Popen[str]]:
        """A command that listens on `port` for the time of a with block."""
        process = self.start(*arguments)
        try:
            wait_for_port(port, process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise

    def set_now(self, instant: str) -> None:
        """Move the world's clock; it goes on from there, from one command to the next."""
        self._set_to, self._set_at = datetime.fromisoformat(instant), time.monotonic()

    def _environment(self) -> dict[str, str]:
        now = self._set_to + timedelta(seconds=time.monotonic() - self._set_at)
        return {**self.environment, "DIGEST_NOW": now.isoformat()}

    def approve_issue_21(self) -> None:
        self.digest("issue", "assemble", "--period", "2021-09", "--number", "21")
        self.digest("issue", "approve", "21", "--by", "Ada")


def wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mails(maildir: Path) -> list[EmailMessage]:
    """Every message in a Maildir, parsed with the strict policy."""
    parser = BytesParser(policy=policy.strict.clone(utf8=False))
    box = mailbox.Maildir(maildir, create=False)
    return [parser.parsebytes(box.get_bytes(key)) for key in box.iterkeys()]  # type: ignore[misc]


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    return part.get_content() if part is not None else ""


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return part.get_content()


def links_in(text: str) -> list[str]:
    return re.findall(r"https?://[^\s<>\"')\]]+", text)


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A world with an empty workspace folder; the database is migrated."""
    made = World(tmp_path / "workspace", database_url)
    yield made
    made.end()


@pytest.fixture
def sample(world: World) -> World:
    """A world with the sample imported."""
    world.folder.parent.mkdir(exist_ok=True)
    world.digest("init", str(world.folder), "--sample", cwd=world.folder.parent)
    return world
