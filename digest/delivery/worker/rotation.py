"""Round-robin over the work sources of a worker; an exhausted source is polled again after N seconds."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from digest.delivery.worker.sources import WorkSource
from digest.outbox.take import Started, Window
from digest.runtime.clock import Clock

STEP_SECONDS = 0.5
"""Longest wait before the clock, the database and a stop request are looked at again."""
WHILE_BUSY_SECONDS = 0.002
"""The same while a transaction runs, which may bring something to send."""
FILLS_UP_EVERY = timedelta(seconds=5)
"""How often an exhausted source that others fill is polled again, while other sources go on."""
LONGEST_WAIT = timedelta(minutes=15)
"""How long a run waits for what may not go yet; beyond that it ends, and reports when it goes on."""


class RoundRobin:
    """The sources in their turns, and when to poll an exhausted one again."""

    def __init__(self, streams: Sequence[WorkSource[Any]], clock: Clock) -> None:
        self._clock = clock
        self._streams = list(streams)
        self._done: dict[int, datetime] = {}
        self.changes = 0
        """Counts what has become due again: a source asked before the last of it may have something now."""

    @property
    def is_done(self) -> bool:
        """Whether every source is exhausted with nothing to wait for."""
        return len(self._done) == len(self._streams)

    @property
    def seconds_to_next(self) -> float:
        now = self._clock.now()
        open_ones = [stream for stream in self._streams if id(stream) not in self._done]
        waits = [(one.again_at - now).total_seconds() if one.again_at else 0.0 for one in open_ones]
        return max(0.0, min(waits, default=STEP_SECONDS))

    def ready(self) -> list[WorkSource[Any]]:
        """Return the sources that may have something, the one that waited longest first."""
        now = self._clock.now()
        return [stream for stream in self._streams if self._may_have_something(stream, now)]

    def _may_have_something(self, stream: WorkSource[Any], now: datetime) -> bool:
        done_at = self._done.get(id(stream))
        if done_at is None:
            return stream.again_at is None or stream.again_at <= now
        # a run may take hours, and a new subscriber waits meanwhile for a confirmation
        return stream.fills_up and not self.is_done and now - done_at >= FILLS_UP_EVERY

    def asked(self, stream: WorkSource[Any], window: Window[Started], changes: int) -> None:
        """Put the source last; exhausted with nothing to wait for, it is done, unless `changes` is out of date."""
        self._streams.remove(stream)
        self._streams.append(stream)
        if not window.exhausted or changes != self.changes:
            stream.again_at = None
            self._done.pop(id(stream), None)
        elif stream.again_at is None or stream.again_at - self._clock.now() > LONGEST_WAIT:
            self._done[id(stream)] = self._clock.now()

    def ask_again(self, stream: WorkSource[Any]) -> None:
        """Note that something of this source has become due again."""
        self._done.pop(id(stream), None)
        self.changes += 1

    def _open(self) -> list[WorkSource[Any]]:
        return [stream for stream in self._streams if id(stream) not in self._done]
