"""Logging, set up in one place: lines of text or of JSON on stderr, masked last of all.

Whoever writes a log line leaves addresses and tokens out of it. What slips in all the same, in the words of a library
or a server, is masked here: logs outlive an erased reader, and go where readers' data may not.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

from digest.runtime.errors import UsageError
from digest.runtime.privacy import masked

Form = Literal["text", "json"]
VARIABLE = "DIGEST_LOG"
# Libraries that would log statements with their values, paths with their tokens, or every step, once INFO is on.
_QUIET = (
    "sqlalchemy",
    "uvicorn",
    "mail.log",
    "procrastinate",
    "apscheduler",
    "asyncio",
    "alembic",
    "watchfiles",
    "httpx",
)


def form_of(asked: str) -> Form:
    """Return the form that is asked for: by option, else by DIGEST_LOG, else text. Raises UsageError."""
    form = asked or os.environ.get(VARIABLE, "") or "text"
    if form == "json":
        return "json"
    if form == "text":
        return "text"
    raise UsageError(f"{form[:40]!r} is not a form of logs", hint="Write text or json.")


def set_up(form: Form, *, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Send what is logged to `stream` (stderr), in one form and masked; `verbose` adds what is merely of interest."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    keep_quiet()


def keep_quiet() -> None:
    """Let libraries say only what is wrong, whatever the level of ours."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR if name == "mail.log" else logging.WARNING)


class Lines(logging.Formatter):
    """One line for a person: who says it, if it is not us, and what."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the masked line, with the traceback below it if there is one."""
        start = "" if record.name.startswith("digest") else f"{record.name}: "
        return masked(start + super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object: time, level, logger, message, and the exception's text if there is one."""
        exception = self.formatException(record.exc_info) if record.exc_info else ""
        at = datetime.fromtimestamp(record.created, UTC)
        return line(record.getMessage(), level=record.levelname.lower(), logger=record.name, at=at, exception=exception)


def line(message: str, *, level: str, logger: str, at: datetime | None = None, **more: str) -> str:
    """Return one line of JSON; what is empty is left out."""
    stamp = (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {"time": stamp, "level": level, "logger": logger, "message": masked(message)}
    fields |= {name: masked(text) for name, text in more.items() if text}
    return json.dumps(fields, ensure_ascii=False)
