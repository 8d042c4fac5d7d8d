"""Watches every log record that the suite makes, and what services write to stderr: no address, no token, ever.

A record factory sees each record that any logger makes, whatever its handlers and whether it propagates: ours,
uvicorn's, sqlalchemy's, aiosmtpd's, procrastinate's. The look is one regular expression over one line.
"""

import logging
import re
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from digest.runtime.logs import keep_quiet

ADDRESS = re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63})+")
TOKEN = re.compile(r"[\w-]{8,}\.[\w-]{43}(?![\w-])")
SERVICES = frozenset({"worker", "serve", "tick", "schedule", "db", "outbox", "metrics", "tell", "doctor"})
"""Commands whose stderr is a log. The others answer a person, who may have typed an address."""
FOREIGN = ("asyncio", "hypothesis", "playwright", "faker", "filelock", "httpx2", "httpcore2")  # the tests' own tools


def personal(text: str) -> str:
    """Return the first address or token in a text, or nothing."""
    found = (ADDRESS.search(text) if "@" in text or "%40" in text else None) or TOKEN.search(text)
    return found.group() if found else ""


class Watch:
    """What was seen since the last test began."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.records = 0
        self._make: Callable[..., logging.LogRecord] = logging.getLogRecordFactory()
        self._communicate = subprocess.Popen.communicate

    def begin(self) -> None:
        logging.setLogRecordFactory(self._record)
        root = logging.getLogger()
        root.setLevel(min(root.level or logging.INFO, logging.INFO))
        keep_quiet()
        watch = self

        def communicate(process: Any, *arguments: Any, **named: Any) -> Any:
            out, err = watch._communicate(process, *arguments, **named)
            watch.stderr(process.args, err)
            return out, err

        subprocess.Popen.communicate = communicate  # type: ignore[method-assign, assignment]

    def end(self) -> None:
        logging.setLogRecordFactory(self._make)
        subprocess.Popen.communicate = self._communicate  # type: ignore[method-assign]

    def _record(self, *arguments: Any, **named: Any) -> logging.LogRecord:
        record = self._make(*arguments, **named)
        self.records += 1
        if record.name.split(".")[0] not in FOREIGN:
            text = record.getMessage()
            if record.exc_info and isinstance(record.exc_info[1], BaseException):
                text += f" {record.exc_info[1]}"
            if what := personal(text):
                self.found.append(f"{record.name} logged {what!r}: {text[:200]}")
        return record

    def stderr(self, command: Any, said: str | bytes | None) -> None:
        if not said or not is_service(command):
            return
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        if what := personal(text):
            self.found.append(f"{command} wrote {what!r} to stderr")


def is_service(command: Any) -> bool:
    """Return whether a command line is one of digest's that stays, or runs by itself."""
    if isinstance(command, str) or not isinstance(command, Sequence):
        return False
    words = [str(word) for word in command]
    ours = next((place for place, word in enumerate(words) if word == "digest" or word.endswith("/digest")), None)
    return ours is not None and any(word in SERVICES for word in words[ours + 1 : ours + 4])


WATCH = Watch()


@pytest.fixture(autouse=True)
def nothing_personal_is_logged() -> Any:
    """Fail the test in which an address or a token got into a log."""
    WATCH.found.clear()
    yield
    found, WATCH.found = WATCH.found, []
    assert not found, "\n".join(found)
