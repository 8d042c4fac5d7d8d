"""Progress display of a delivery: counts, rate, time to go, and waits. Formatting is pure.

The worker reports thousands of times a second; a thread of the display reads the latest report a few times a second.
Rates and the time to go are not those of rich.progress: logs show them too, the present rate must fall to zero in a
pause, and a wait makes the time to go "at least".
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
"""The name of mailboxes without a family."""
STOPPING = "Stopping after the emails that are being sent. Press Ctrl-C again to stop at once."
_RICH_ASKS = {"FORCE_COLOR", "TTY_COMPATIBLE"}
"""Variables that make rich treat any stream as a terminal."""
_MOVING_SECONDS = 10.0
_MOST_ROWS = 8


@dataclass(slots=True)
class MessageRate:
    """Messages a second: now, over the last seconds, and since the first sample."""

    _samples: deque[tuple[float, int]] = field(default_factory=deque)
    _first: tuple[float, int] | None = None

    def sample(self, moment: float, done: int) -> None:
        """Add a sample: `done` messages at `moment` (monotonic seconds). Fewer than before: start anew."""
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
    counts = [(state, states.get(state, 0)) for state in SHOWN] + [("skipped", skipped)]
    return ", ".join(f"{count:,} {state}" for state, count in counts if count or state == "accepted")


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
    """Return the time to go in words; empty if it is unknown."""
    per_second = speed.now or speed.average
    if total is None or total <= settled or per_second <= 0:
        return ""
    time_left = lasting((total - settled) / per_second)
    return f"at least {time_left} left" if waits else f"about {time_left} left"


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


def headline(progress: "DeliveryProgress", total: int | None, speed: MessageRate) -> str:
    """Return the progress in one line, for logs."""
    return f"{done(progress, total)}; {pace(progress, total, speed)}"


def done(progress: "DeliveryProgress", total: int | None) -> str:
    """Return the counts: "812 of 2,000 done: 790 accepted, 22 skipped"."""
    of = f" of {total:,}" if total is not None else ""
    return f"{progress.settled:,}{of} done: {counted(progress.states, progress.skipped)}"


def pace(progress: "DeliveryProgress", total: int | None, speed: MessageRate) -> str:
    """Return the rates and the time to go: "35/s now, 33/s on average; about 34 s to go"."""
    rates = f"{rate(speed.now)} now, {rate(speed.average)} on average"
    to_go = left(total, progress.settled, speed, waits=bool(progress.waits))
    return f"{rates}; {to_go}" if to_go else rates


def report(
    progress: "DeliveryProgress", total: int | None, speed: MessageRate, now: datetime, zone: tzinfo | None = None
) -> list[str]:
    """Return the progress in lines, for a terminal."""
    lines = [done(progress, total), f"  {pace(progress, total, speed)}"]
    lines += rows("  by", progress.relays)
    lines += rows("  to", progress.families)
    lines += [f"  {line}" for line in wait_lines(progress.waits, now, zone)]
    return [*lines, STOPPING] if progress.stopping else lines


def wait_lines(waits: "Sequence[ScopeWait]", now: datetime, zone: tzinfo | None = None) -> list[str]:
    """Return the first waits in words, and the number of the others."""
    lines = [waiting(wait, now, zone) for wait in waits[:_MOST_ROWS]]
    return [*lines, f"{len(waits) - _MOST_ROWS} more waiting"] if len(waits) > _MOST_ROWS else lines


class Picture(NamedTuple):
    """The content of a live display: lines, and a bar if `total` is known."""

    text: str
    done: int = 0
    total: int = 0


class Watch:
    """Shows progress on stderr while a with block lasts: live on a terminal, else a line every ten seconds.

    The worker calls it after each step. `silent` shows nothing, as under --json.
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
        self._progress: DeliveryProgress | None = None
        self._over = threading.Event()
        self._stop: Callable[[], None] = lambda: None

    def __call__(self, progress: "DeliveryProgress") -> None:
        self._progress = progress

    def step(self, period: str, name: str) -> None:
        """Show the step of a scheduled run that begins, and drop the progress of the step before."""
        self._progress = None
        self._doing = f"{period}: {name}"

    def expect(self, total: int) -> None:
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
        progress = self._progress.copy() if self._progress is not None else None
        if progress is not None:
            self._speed.sample(time.monotonic(), progress.states.total())
        return progress

    def _picture(self) -> Picture:
        progress = self._look()
        if progress is None:
            return Picture(f"{self._doing or 'Starting'} ...")
        lines = report(progress, self._total, self._speed, self._clock())
        return Picture("\n".join([self._doing, *lines] if self._doing else lines), progress.settled, self._total or 0)

    def _log(self) -> None:
        """Write a line every few seconds. A closed stderr ends the lines, not the run."""
        said_stopping, logged_at = False, time.monotonic()
        with suppress(OSError, ValueError):
            while not self._over.wait(1 / DRAWINGS_A_SECOND):
                progress = self._look()
                if progress is not None and progress.stopping and not said_stopping:
                    said_stopping = True
                    self._write([STOPPING])
                if time.monotonic() - logged_at >= self._every:
                    logged_at = time.monotonic()
                    self._write(self._line(progress))

    def _line(self, progress: "DeliveryProgress | None") -> list[str]:
        if progress is None:
            return [f"{self._doing} ..."] if self._doing else []
        waits = wait_lines(progress.waits, self._clock())
        line = "; ".join([headline(progress, self._total, self._speed), *waits])
        return [f"{self._doing}: {line}" if self._doing else line]

    def _write(self, lines: Sequence[str]) -> None:
        stream = self._stream or sys.stderr
        for line in lines:
            stream.write(f"{line}\n")
        stream.flush()
