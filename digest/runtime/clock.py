"""Time as an argument: rules get a datetime, loops get a Clock."""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from digest.runtime.errors import ConfigError

_DURATION = re.compile(r"(\d{1,6})\s*([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Read a duration such as 30m, 12h or 7d."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"{text!r} is not a duration", hint="Write 30m, 12h or 7d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def duration_text(text: str) -> str:
    """Return a setting that is a duration; raise ValueError if it is none, as validators do."""
    try:
        duration(text)
    except ConfigError as error:
        message = f"{error.message}. {error.hint}"
        raise ValueError(message) from error
    return text


class Clock(Protocol):
    """What loops need of time."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for measuring durations."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock; `DIGEST_NOW` is handled by bootstrap, not here."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class ShiftedClock(SystemClock):
    """The machine's clock moved by a fixed amount: DIGEST_NOW lets a rehearsal run on another day."""

    def __init__(self, start: datetime) -> None:
        self._shift: timedelta = start - datetime.now(UTC)

    def now(self) -> datetime:
        """Return the moved instant, in UTC."""
        return super().now() + self._shift


def open_clock() -> Clock:
    """Return the clock, moved if DIGEST_NOW says so."""
    text = os.environ.get("DIGEST_NOW")
    if not text:
        return SystemClock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"DIGEST_NOW={text!r} is not an instant", hint="Write 2021-09-30T09:00:00+09:00.") from error
    if moment.tzinfo is None:
        raise ConfigError(f"DIGEST_NOW={text!r} has no zone", hint="Write 2021-09-30T09:00:00+09:00.")
    return ShiftedClock(moment)
