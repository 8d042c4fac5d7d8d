"""Window size of a worker: enough for its connections, limited by what a crash may leave uncertain."""

from digest.runtime.clock import Clock

MAX_WINDOW = 50
FIRST_WINDOW = 10
WINDOW_SECONDS = 2.0
"""How long an unsubscribe may cross with a message of a window that is on its way."""


def window_limit(pace: float | None, capacity: int) -> int:
    """Return how many may be in flight, 1 to 50.

    The least of: twice what the connections carry, and two seconds' worth at the present rate (messages a second; None
    before the first answer).
    """
    most = min(MAX_WINDOW, max(2, 2 * capacity))
    return min(most, FIRST_WINDOW) if pace is None else max(1, min(most, int(WINDOW_SECONDS * pace)))


class RecentRate:
    """Moving average of answered messages a second."""

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
