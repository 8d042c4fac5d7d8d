"""Clocks and durations: rules get a datetime, loops get a Clock."""

import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from digest.runtime.errors import ConfigError

_DURATION = re.compile(r"(\d{1,6})\s*([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts while the machine sleeps
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def duration(text: str) -> timedelta:
    """Parse a duration such as 30m, 12h or 7d."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"{text!r} is not a duration", hint="Use a form such as 30m, 12h or 7d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def duration_text(text: str) -> str:
    """Return a valid duration setting; raise ValueError for another, as validators do."""
    try:
        duration(text)
    except ConfigError as error:
        raise ValueError(f"{error.message}. {error.hint}") from error
    return text


def boot_id() -> str:
    """Return the id of this machine's present boot; empty if the system has none."""
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return ""


def since_boot() -> float:
    """Return the seconds since this machine's boot, suspended ones too where the system counts them."""
    return time.clock_gettime(_SINCE_BOOT)


class Clock(Protocol):
    """Clock of loops."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that go on while the machine is suspended and are never set: for ages and durations."""

    def asleep(self) -> float:
        """Return how many seconds the machine was suspended, from any fixed moment on."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return since_boot()

    def asleep(self) -> float:
        return since_boot() - time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ShiftedClock(SystemClock):
    """The machine's clock moved by a fixed amount: DIGEST_NOW runs a rehearsal on another day."""

    def __init__(self, start: datetime) -> None:
        self._shift: timedelta = start - datetime.now(UTC)

    def now(self) -> datetime:
        return super().now() + self._shift


def open_clock() -> Clock:
    """Return the clock, moved if DIGEST_NOW is set."""
    text = os.environ.get("DIGEST_NOW")
    if not text:
        return SystemClock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"DIGEST_NOW={text!r} is not a date and time", hint="Use a form such as 2021-09-30T09:00:00+09:00."
        ) from error
    if moment.tzinfo is None:
        raise ConfigError(f"DIGEST_NOW={text!r} has no time zone", hint="Use a form such as 2021-09-30T09:00:00+09:00.")
    return ShiftedClock(moment)
