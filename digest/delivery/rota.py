"""Whose turn it is: the streams of a worker take turns, and who had nothing is asked again when it may have."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from digest.delivery.streams import Stream
from digest.outbox.take import Started, Window
from digest.runtime.clock import Clock

STEP_SECONDS = 0.5
"""How long to wait for something to happen before looking at the clock, the database and the wish to stop again."""
WHILE_BUSY_SECONDS = 0.002
"""The same while a transaction runs, which may bring something to send."""
LONGEST_WAIT = timedelta(minutes=15)
"""A run waits so long for what may not go yet; beyond that it ends, and says when it goes on."""


class Rota:
    """Whose turn it is to be taken from, and when to ask again who had nothing."""

    def __init__(self, streams: Sequence[Stream[Any]], clock: Clock) -> None:
        self._clock = clock
        self._streams = list(streams)
        self._done: set[int] = set()
        self.news = 0
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

    def ready(self) -> list[Stream[Any]]:
        """Return the streams that may have something, the one that waited longest first."""
        now = self._clock.now()
        return [stream for stream in self._open() if stream.again_at is None or stream.again_at <= now]

    def asked(self, stream: Stream[Any], window: Window[Started], news: int) -> None:
        """Put it last; one that had nothing and waits for nothing is done, unless there is news since `news`."""
        self._streams.remove(stream)
        self._streams.append(stream)
        if not window.exhausted or news != self.news:
            stream.again_at = None
        elif stream.again_at is None or stream.again_at - self._clock.now() > LONGEST_WAIT:
            self._done.add(id(stream))

    def ask_again(self, stream: Stream[Any]) -> None:
        """Something of it has become due again."""
        self._done.discard(id(stream))
        self.news += 1

    def _open(self) -> list[Stream[Any]]:
        return [stream for stream in self._streams if id(stream) not in self._done]
