"""Delivery progress: counts by state, relay and mailbox family, and what waits."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from digest.outbox.states import State


@dataclass(frozen=True, slots=True)
class ScopeWait:
    """A scope (`relay:NAME`, `family:NAME`, `domain:NAME`) that is blocked until then, and why."""

    scope: str
    until: datetime
    why: str


@dataclass(slots=True)
class DeliveryProgress:
    """Counts of what has ended. The worker changes them while it runs; other threads take a `copy`."""

    states: Counter[str] = field(default_factory=Counter)
    relays: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    families: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: int = 0
    waits: Sequence[ScopeWait] = ()
    stopping: bool = False

    @property
    def settled(self) -> int:
        """How many promises are settled; deferred ones will be tried again."""
        return self.states.total() - self.states[State.DEFERRED] + self.skipped

    def count(self, state: State, relay: str, family: str) -> None:
        self.states[state] += 1
        self.relays[relay][state] += 1
        self.families[family][state] += 1

    def copy(self) -> "DeliveryProgress":
        """Return a snapshot for another thread.

        `dict()` copies without releasing the interpreter lock; while a list of items is made, another thread may run.
        """
        relays = defaultdict(Counter, {name: Counter(dict(counts)) for name, counts in dict(self.relays).items()})
        families = defaultdict(Counter, {name: Counter(dict(counts)) for name, counts in dict(self.families).items()})
        return DeliveryProgress(Counter(dict(self.states)), relays, families, self.skipped, self.waits, self.stopping)


@dataclass(slots=True)
class WorkerRun:
    """Result of one call: outcomes, skipped deliveries, and when the next one is due, if any."""

    progress: DeliveryProgress = field(default_factory=DeliveryProgress)
    next_due: datetime | None = None
    stopped: bool = False

    @property
    def outcomes(self) -> dict[State, int]:
        return {State(name): count for name, count in self.progress.states.items()}
