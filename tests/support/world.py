"""A world for stories: a workspace on a database of its own, and the command, in this process or in others."""

import json
import mailbox
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from tests.support.command import Ended, call

WAIT_SECONDS = 60
SAMPLE_DAY = "2021-09-30T08:00:00+09:00"


class World:
    """One workspace; every verb runs the real command line.

    `digest`, `json` and `call` run it in this process. `process`, `start` and `running` start a process, for what must
    be one: it is killed or signalled, it serves, or several run at once.
    """

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

    @property
    def database_url(self) -> str:
        return self.environment["DIGEST_DATABASE__URL"]

    def call(self, *arguments: str, cwd: Path | None = None) -> Ended:
        """Run a command to its end in this process, whatever its exit code."""
        return call(arguments, cwd=cwd or self.folder, environment=self.environment_now())

    def digest(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        """Run a command to its end in this process; return stdout."""
        done = self.call(*arguments, cwd=cwd)
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.digest(*arguments, "--json", expect=expect))

    def process(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        """Run a command to its end in a process of its own; return stdout."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=cwd or self.folder,
            env=self.environment_now(),
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS * 3,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that stays, in a process group of its own."""
        process = subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment_now(),
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

    def environment_now(self) -> dict[str, str]:
        """The environment of a command that starts now."""
        now = self._set_to + timedelta(seconds=time.monotonic() - self._set_at)
        return {**self.environment, "DIGEST_NOW": now.isoformat()}

    def approve_issue_21(self) -> None:
        self.digest("issue", "assemble", "--period", "2021-09", "--number", "21")
        self.digest("issue", "approve", "21", "--by", "Ada")


def wait_until(holds: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for something that has to come; with a process, no longer than that lives."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        if process is not None and process.poll() is not None:
            raise AssertionError(f"it ended too early: {process.communicate()}")
        time.sleep(0.02)


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


def arrived(maildir: Path) -> int:
    """How many mails are in a Maildir; the folder itself may not be there yet."""
    folder = maildir / "new"
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


def copies(maildir: Path) -> Counter[str]:
    """How many mails each address has in a Maildir."""
    parser = BytesParser(policy=policy.default)  # a strict one of Python 3.11.2 refuses heads of multipart mails
    box = mailbox.Maildir(maildir, create=False)
    heads = (parser.parsebytes(box.get_bytes(key), headersonly=True) for key in box.iterkeys())
    return Counter(head["To"].addresses[0].addr_spec for head in heads)


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    return part.get_content() if part is not None else ""


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return part.get_content()


def links_in(text: str) -> list[str]:
    return re.findall(r"https?://[^\s<>\"')\]]+", text)
