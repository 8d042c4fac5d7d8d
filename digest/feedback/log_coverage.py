"""Time span that a relay's log covers: only inside it does a message's absence mean something. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

BEFORE = timedelta(minutes=1)
"""How long before an attempt its relay's log has to begin: the clocks may differ."""
AFTER = timedelta(minutes=15)
"""How long after an attempt's start the log has to go on: the answer to the final dot may take ten minutes."""

_MAX_HOSTS = 1000
_MAX_MINUTES = 2_000_000  # nearly four years


@dataclass(slots=True)
class Coverage:
    """Time between each host's first and last line, and the minutes with any line."""

    hosts: dict[bytes, tuple[float, float]] = field(default_factory=dict)
    minutes: set[int] = field(default_factory=set)
    lossy: str = ""
    """Where the log itself reports lost lines; empty if nowhere."""

    def note(self, host: bytes, at: float | None) -> None:
        if at is None:
            return
        first, last = self.hosts.get(host, (at, at))
        if host in self.hosts or len(self.hosts) < _MAX_HOSTS:
            self.hosts[host] = (min(first, at), max(last, at))
        if len(self.minutes) < _MAX_MINUTES:
            self.minutes.add(int(at) // 60)

    def objection(self, started_at: datetime, until: datetime | None = None) -> str:
        """Return why absence from the log proves nothing about an attempt begun then; empty if it does.

        With `until` it may have begun at any time between the two.
        """
        if self.lossy:
            return f"the log itself reports lost lines ({self.lossy})"
        begin, end = (started_at - BEFORE).timestamp(), ((until or started_at) + AFTER).timestamp()
        if not self.hosts or any(first > begin for first, _ in self.hosts.values()):
            return "the log starts too late"
        if any(last < end for _, last in self.hosts.values()):
            return "the log ends too early"
        return "the log has a gap at that time" if self._has_gap(int(begin) // 60, int(end) // 60) else ""

    def _has_gap(self, first: int, last: int) -> bool:
        """Return whether minutes without a line last as long as a single attempt needs."""
        longest = int((BEFORE + AFTER).total_seconds()) // 60 + 1
        seen = [first - 1, *(minute for minute in range(first, last + 1) if minute in self.minutes), last + 1]
        return any(later - earlier > longest for earlier, later in pairwise(seen))
