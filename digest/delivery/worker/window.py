"""Window size of a worker: enough for its connections, limited by what a crash may leave uncertain."""

from digest.runtime.clock import Clock

MAX_WINDOW = 50
TAKE = 50
"""How many a take brings when it may; the window then holds twice as many, as it is refilled at half."""
LARGEST_WINDOW = 1_000
FIRST_WINDOW = 10
WINDOW_SECONDS = 2.0
"""How long an unsubscribe may cross with a message of a window that is on its way."""


def window_limit(pace: float | None, capacity: int, *, journal: bool) -> int:
    """Return how many may be in flight, at least 1.

    At most two seconds' worth at the present rate (messages a second; None before the first answer). With a journal
    only what is on the wire becomes uncertain when the worker dies, so that takes may be large: 50, or twice what the
    connections carry. Without one, the window itself is at stake: 50, or twice what the connections carry if that is
    less.
    """
    if journal:
        most = min(5 * capacity, max(2 * TAKE, 4 * capacity), LARGEST_WINDOW)
    else:
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
