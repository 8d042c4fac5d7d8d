"""Detection of clock jumps: a clock that was set forward must not start next month's run.

The wall clock is compared with the monotonic time since boot, and with the clock of a PostgreSQL server.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from digest.outbox.dialects import POSTGRESQL, database_now
from digest.runtime.atomic_file import private_folder, write_private
from digest.runtime.clock import boot_id, since_boot
from digest.runtime.db import session_scope

MOST_APART = timedelta(hours=1)
"""Hosts a few minutes apart do no harm: a run is claimed only once."""


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One reading of this machine's clocks; `boot` is the id of the boot."""

    wall: datetime
    since_boot: float
    boot: str


def look() -> ClockSample:
    return ClockSample(datetime.now(UTC), since_boot(), boot_id())


def moved(earlier: ClockSample | None, now: ClockSample) -> timedelta:
    """Return by how much the clock was set forward between two samples; zero if unknown. Pure."""
    if earlier is None or not now.boot or earlier.boot != now.boot:
        return timedelta(0)
    return (now.wall - earlier.wall) - timedelta(seconds=now.since_boot - earlier.since_boot)


class ClockWatch:
    """Checks the clock against the last trusted sample, kept in `file`, and against the database's clock."""

    def __init__(self, file: Path, engine: Engine, take_look: Callable[[], ClockSample] = look) -> None:
        self._file = file
        self._engine = engine
        self._look = take_look

    def objection(self) -> str:
        """Return why the clock cannot be trusted; empty if it can, then the sample is stored.

        A clock that was set back does no harm: nothing is done twice, and nothing is due before its time.
        """
        now = self._look()
        ahead = moved(self._remembered(), now)
        if ahead > MOST_APART:
            return f"this machine's clock has been set forward by {_rounded(ahead)} since the last tick"
        if (apart := self._apart(now)) > MOST_APART:
            return f"this machine's clock differs from the database's by {_rounded(apart)}"
        self.believe(now)
        return ""

    def believe(self, now: ClockSample | None = None) -> None:
        """Store a sample as trusted; by default the clock as it is now, on a person's word."""
        seen = asdict(now or self._look())
        with suppress(OSError):  # a full disk must not stop a run
            private_folder(self._file.parent)
            write_private(self._file, json.dumps({**seen, "wall": seen["wall"].isoformat()}).encode())

    def _remembered(self) -> ClockSample | None:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return ClockSample(datetime.fromisoformat(kept["wall"]), float(kept["since_boot"]), str(kept["boot"]))
        except (OSError, ValueError, KeyError, TypeError):  # none yet, or not ours
            return None

    def _apart(self, now: ClockSample) -> timedelta:
        if self._engine.dialect.name != POSTGRESQL:  # its clock is this machine's
            return timedelta(0)
        with session_scope(self._engine, read_only=True) as session:
            return abs(database_now(session) - now.wall)


def _rounded(length: timedelta) -> str:
    days, hours = length.days, length.seconds // 3600
    return f"{days} days" if days else f"{hours} hours"
