"""Logging setup: lines of text or JSON on stderr, masked.

Our own log lines have no addresses and tokens; those in the words of a library or a server are masked here: logs
outlive an erased subscriber, and go where subscribers' data may not.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO, cast, get_args

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
    """Return the log form: by option, else by DIGEST_LOG, else text. Raises UsageError."""
    form = asked or os.environ.get(VARIABLE, "") or "text"
    if form not in get_args(Form):
        raise UsageError(f"{form[:40]!r} is not a log format", hint="Use text or json.")
    return cast("Form", form)


def set_up(form: Form, *, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Log to `stream` (stderr), in one form and masked; `verbose` adds INFO."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    keep_quiet()


def keep_quiet() -> None:
    """Limit libraries to warnings, whatever our level."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR if name == "mail.log" else logging.WARNING)


class Lines(logging.Formatter):
    """Formatter of lines for people; names the logger if it is not ours."""

    def format(self, record: logging.LogRecord) -> str:
        start = "" if record.name.startswith("digest") else f"{record.name}: "
        return masked(start + super().format(record))


class JsonLines(logging.Formatter):
    """Formatter of JSON lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return an object of time, level, logger, message, and the exception's text if there is one."""
        exception = self.formatException(record.exc_info) if record.exc_info else ""
        at = datetime.fromtimestamp(record.created, UTC)
        return line(record.getMessage(), level=record.levelname.lower(), logger=record.name, at=at, exception=exception)


def line(message: str, *, level: str, logger: str, at: datetime | None = None, **more: str) -> str:
    """Return one line of JSON; empty values are left out."""
    stamp = (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {"time": stamp, "level": level, "logger": logger, "message": masked(message)}
    fields |= {name: masked(text) for name, text in more.items() if text}
    return json.dumps(fields, ensure_ascii=False)
