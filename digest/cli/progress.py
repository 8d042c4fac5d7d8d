"""Watching a run: what it has done, how fast, how long it will take, and what waits. Formatting is pure.

The worker tells after each step, which is thousands of times a second: it only leaves its tally here, and a thread of
the display looks at it a few times a second.

Rates and the time to go are not those of rich.progress: logs show them too, without a display; the rate of now must
fall to nothing in a pause, where the one of rich stays as it was; and what waits makes the time to go "at least".
"""

import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from digest.delivery.worker.progress import DeliveryProgress, ScopeWait

DRAWINGS_A_SECOND = 4
LOG_SECONDS = 10.0
SHOWN = ("accepted", "deferred", "rejected", "expired", "uncertain")
OTHERS = "others"
"""What mailboxes are called that belong to no family."""
STOPPING = "Stopping: what is on the wire is finished first. Ctrl-C again ends at once."
_RICH_ASKS = {"FORCE_COLOR", "TTY_COMPATIBLE"}
"""Variables by which a stream may pass for a terminal without being one."""
_MOVING_SECONDS = 10.0
_MOST_ROWS = 8


@dataclass(slots=True)
class MessageRate:
    """Messages a second: now, over the last seconds, and since the first sample."""

    _samples: deque[tuple[float, int]] = field(default_factory=deque)
    _first: tuple[float, int] | None = None

    def sample(self, moment: float, done: int) -> None:
        """Take in that `done` messages were done at `moment` (monotonic seconds). Fewer than before: it starts anew."""
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
            self._first = None
        self._first = self._first or (moment, done)
        self._samples.append((moment, done))
        while len(self._samples) > 2 and moment - self._samples[1][0] >= _MOVING_SECONDS:
            self._samples.popleft()

    @property
    def now(self) -> float:
        """Messages a second over the last ten seconds."""
        return _slope(self._samples[0], self._samples[-1]) if self._samples else 0.0

    @property
    def average(self) -> float:
        """Messages a second since the beginning."""
        return _slope(self._first, self._samples[-1]) if self._first else 0.0


def _slope(first: tuple[float, int], last: tuple[float, int]) -> float:
    seconds = last[0] - first[0]
    return (last[1] - first[1]) / seconds if seconds > 0 else 0.0


def counted(states: Mapping[str, int], skipped: int = 0) -> str:
    """Return the counts in words, `accepted` always: "812 accepted, 3 deferred"."""
    told = [(state, states.get(state, 0)) for state in SHOWN] + [("skipped", skipped)]
    return ", ".join(f"{count:,} {state}" for state, count in told if count or state == "accepted")


def rate(per_second: float) -> str:
    """Return a rate in messages: "1,425/s", "0.4/s"."""
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def lasting(seconds: float) -> str:
    """Return a time in the two units that matter: "2 h 05 min", "3 min 20 s", "12 s"."""
    whole = max(0, round(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minute:02} min"
    return f"{minutes} min {second:02} s" if minutes else f"{second} s"


def left(total: int | None, settled: int, speed: MessageRate, *, waits: bool) -> str:
    """Return how long it will take, as far as that can be told; empty if it cannot."""
    per_second = speed.now or speed.average
    if total is None or total <= settled or per_second <= 0:
        return ""
    told = lasting((total - settled) / per_second)
    return f"at least {told} to go" if waits else f"about {told} to go"


def clock_time(moment: datetime, now: datetime, zone: tzinfo | None = None) -> str:
    """Return an instant for a person in `zone` (None: this machine's): the time, with the date if it is not today."""
    there, today = moment.astimezone(zone), now.astimezone(zone).date()
    return f"{there:%H:%M}" if there.date() == today else f"{there:%Y-%m-%d %H:%M}"


def waiting(wait: "ScopeWait", now: datetime, zone: tzinfo | None = None) -> str:
    """Return a wait in words: "google waits until 09:12: their server asked to be left alone"."""
    kind, _, name = wait.scope.partition(":")
    subject = f"relay {name}" if kind == "relay" else name
    return f"{subject} waits until {clock_time(wait.until, now, zone)}: {wait.why}"


def rows(title: str, groups: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return one line for each group, the largest first; none when there is but one."""
    if len(groups) < 2:
        return []
    ordered = sorted(groups.items(), key=lambda item: (-sum(item[1].values()), item[0] or OTHERS))
    shown, rest = ordered[:_MOST_ROWS], ordered[_MOST_ROWS:]
    if rest:
        shown.append((f"{len(rest)} more", sum((Counter(counts) for _, counts in rest), Counter())))
    width = max(len(name or OTHERS) for name, _ in shown)
    return [f"{title} {name or OTHERS:<{width}}  {counted(counts)}" for name, counts in shown]


def headline(tally: "DeliveryProgress", total: int | None, speed: MessageRate) -> str:
    """Return how it stands in one line, as logs get it."""
    return f"{done(tally, total)}; {pace(tally, total, speed)}"


def done(tally: "DeliveryProgress", total: int | None) -> str:
    """Return what has happened: "812 of 2,000 done: 790 accepted, 22 skipped"."""
    of = f" of {total:,}" if total is not None else ""
    return f"{tally.settled:,}{of} done: {counted(tally.states, tally.skipped)}"


def pace(tally: "DeliveryProgress", total: int | None, speed: MessageRate) -> str:
    """Return how fast it is: "35/s now, 33/s on average; about 34 s to go"."""
    told = f"{rate(speed.now)} now, {rate(speed.average)} on average"
    to_go = left(total, tally.settled, speed, waits=bool(tally.waits))
    return f"{told}; {to_go}" if to_go else told


def report(
    tally: "DeliveryProgress", total: int | None, speed: MessageRate, now: datetime, zone: tzinfo | None = None
) -> list[str]:
    """Return how it stands in lines, for a terminal."""
    lines = [done(tally, total), f"  {pace(tally, total, speed)}"]
    lines += rows("  by", tally.relays)
    lines += rows("  to", tally.families)
    lines += [f"  {told}" for told in waits_told(tally.waits, now, zone)]
    return [*lines, STOPPING] if tally.stopping else lines


def waits_told(waits: "Sequence[ScopeWait]", now: datetime, zone: tzinfo | None = None) -> list[str]:
    """Return the waits in words, the first to end first, and how many are not told."""
    told = [waiting(wait, now, zone) for wait in waits[:_MOST_ROWS]]
    return [*told, f"{len(waits) - _MOST_ROWS} more wait"] if len(waits) > _MOST_ROWS else told


class Picture(NamedTuple):
    """What a terminal shows: lines, and a bar if `total` is known."""

    text: str
    done: int = 0
    total: int = 0


class Watch:
    """Shows a run on stderr while a with block lasts: live on a terminal, else a line every ten seconds.

    Call it with the worker's tally after each step. `silent` shows nothing, as under --json.
    """

    def __init__(
        self,
        total: int | None,
        *,
        silent: bool = False,
        every: float = LOG_SECONDS,
        stream: TextIO | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._total = total
        self._silent = silent
        self._every = every
        self._stream = stream
        self._clock = clock
        self._speed = MessageRate()
        self._doing = ""
        self._tally: DeliveryProgress | None = None
        self._over = threading.Event()
        self._stop: Callable[[], None] = lambda: None

    def __call__(self, tally: "DeliveryProgress") -> None:
        """Take in how it stands; costs nothing."""
        self._tally = tally

    def step(self, period: str, name: str) -> None:
        """Take in which step of a month's run is begun; what was counted before belongs to another."""
        self._tally = None
        self._doing = f"{period}: {name}"

    def expect(self, total: int) -> None:
        """Take in how many deliveries there are to do."""
        self._total = total

    def __enter__(self) -> "Watch":
        if not self._silent:
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._stop()

    def _start(self) -> None:
        stream = self._stream or sys.stderr
        if stream.isatty() or _RICH_ASKS & os.environ.keys():
            from digest.cli.display import show  # noqa: PLC0415 - rich takes a tenth of a second, and logs need none

            if stop := show(self._picture, stream, DRAWINGS_A_SECOND):
                self._stop = stop
                return
        thread = threading.Thread(target=self._log, name="watch", daemon=True)
        thread.start()
        self._stop = thread.join

    def _look(self) -> "DeliveryProgress | None":
        tally = self._tally.copy() if self._tally is not None else None
        if tally is not None:
            self._speed.sample(time.monotonic(), tally.states.total())
        return tally

    def _picture(self) -> Picture:
        tally = self._look()
        if tally is None:
            return Picture(f"{self._doing or 'Starting'} ...")
        lines = report(tally, self._total, self._speed, self._clock())
        return Picture("\n".join([self._doing, *lines] if self._doing else lines), tally.settled, self._total or 0)

    def _log(self) -> None:
        """Write a line now and then. That stderr went away ends the lines, not the run."""
        told_stopping, told_at = False, time.monotonic()
        with suppress(OSError, ValueError):
            while not self._over.wait(1 / DRAWINGS_A_SECOND):
                tally = self._look()
                if tally is not None and tally.stopping and not told_stopping:
                    told_stopping = True
                    self._write([STOPPING])
                if time.monotonic() - told_at >= self._every:
                    told_at = time.monotonic()
                    self._write(self._line(tally))

    def _line(self, tally: "DeliveryProgress | None") -> list[str]:
        if tally is None:
            return [f"{self._doing} ..."] if self._doing else []
        waits = waits_told(tally.waits, self._clock())
        told = "; ".join([headline(tally, self._total, self._speed), *waits])
        return [f"{self._doing}: {told}" if self._doing else told]

    def _write(self, lines: Sequence[str]) -> None:
        stream = self._stream or sys.stderr
        for line in lines:
            stream.write(f"{line}\n")
        stream.flush()
