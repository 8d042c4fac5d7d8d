"""How much a worker takes at once: enough for its connections, never more than may be doubtful after a crash."""

from digest.runtime.clock import Clock

MAX_WINDOW = 50
FIRST_WINDOW = 10
WINDOW_SECONDS = 2.0
"""An unsubscribe that is answered while a window is on its way may cross with it: this long, not longer."""


def window_limit(pace: float | None, capacity: int) -> int:
    """Return how many may be started and not ended, 1 to 50.

    The least of: twice what the connections can have in flight, and two seconds' worth at the present pace (messages a
    second; None before the first answer).
    """
    most = min(MAX_WINDOW, max(2, 2 * capacity))
    return min(most, FIRST_WINDOW) if pace is None else max(1, min(most, int(WINDOW_SECONDS * pace)))


class RecentRate:
    """How many messages a second were answered lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._count = 0
        self.per_second: float | None = None

    def answered(self, count: int) -> None:
        """Count answers; every quarter of a second they become a new figure."""
        now = self._clock.monotonic()
        self._count += count
        if self._since is None:
            self._since = now
        seconds = now - self._since
        if seconds >= 0.25 or self.per_second is None:
            latest = self._count / max(seconds, 0.1)
            self.per_second = latest if self.per_second is None else (self.per_second + latest) / 2
            self._since, self._count = now, 0
