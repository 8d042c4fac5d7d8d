"""Round-robin over the work sources of a worker; an exhausted source is polled again when it may have something."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from digest.delivery.worker.sources import WorkSource
from digest.outbox.take import Started, Window
from digest.runtime.clock import Clock

STEP_SECONDS = 0.5
"""How long to wait for something to happen before looking at the clock, the database and the wish to stop again."""
WHILE_BUSY_SECONDS = 0.002
"""The same while a transaction runs, which may bring something to send."""
FILLS_UP_EVERY = timedelta(seconds=5)
"""How often to ask again, while others go on, who had nothing and may be given something from outside."""
LONGEST_WAIT = timedelta(minutes=15)
"""A run waits so long for what may not go yet; beyond that it ends, and says when it goes on."""


class RoundRobin:
    """Whose turn it is to be taken from, and when to ask again who had nothing."""

    def __init__(self, streams: Sequence[WorkSource[Any]], clock: Clock) -> None:
        self._clock = clock
        self._streams = list(streams)
        self._done: dict[int, datetime] = {}
        self.changes = 0
        """Counts what has become due again: who was asked before the last of it may have something now."""

    @property
    def is_done(self) -> bool:
        """Whether every stream said that there is nothing to wait for."""
        return len(self._done) == len(self._streams)

    @property
    def seconds_to_next(self) -> float:
        """Seconds until some stream is to be asked."""
        now = self._clock.now()
        waits = [(one.again_at - now).total_seconds() if one.again_at else 0.0 for one in self._open()]
        return max(0.0, min(waits, default=STEP_SECONDS))

    def ready(self) -> list[WorkSource[Any]]:
        """Return the streams that may have something, the one that waited longest first."""
        now = self._clock.now()
        return [stream for stream in self._streams if self._may_have_something(stream, now)]

    def _may_have_something(self, stream: WorkSource[Any], now: datetime) -> bool:
        done_at = self._done.get(id(stream))
        if done_at is None:
            return stream.again_at is None or stream.again_at <= now
        # a run may take hours, and who signs up in the meantime waits for a confirmation
        return stream.fills_up and not self.is_done and now - done_at >= FILLS_UP_EVERY

    def asked(self, stream: WorkSource[Any], window: Window[Started], changes: int) -> None:
        """Put it last; one that had nothing and waits for nothing is done, unless there is news since `news`."""
        self._streams.remove(stream)
        self._streams.append(stream)
        if not window.exhausted or changes != self.changes:
            stream.again_at = None
            self._done.pop(id(stream), None)
        elif stream.again_at is None or stream.again_at - self._clock.now() > LONGEST_WAIT:
            self._done[id(stream)] = self._clock.now()

    def ask_again(self, stream: WorkSource[Any]) -> None:
        """Something of it has become due again."""
        self._done.pop(id(stream), None)
        self.changes += 1

    def _open(self) -> list[WorkSource[Any]]:
        return [stream for stream in self._streams if id(stream) not in self._done]
