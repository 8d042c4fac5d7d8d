"""How a run stands, for whoever watches it: by state, by relay, by family of mailboxes, and what waits."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from digest.outbox.states import State


@dataclass(frozen=True, slots=True)
class ScopeWait:
    """A scope (`relay:NAME`, `family:NAME`, `domain:NAME`) that may not be used until then, and why."""

    scope: str
    until: datetime
    why: str


@dataclass(slots=True)
class DeliveryProgress:
    """Counts of what has ended. It is the worker's own, and changes while the run goes on."""

    states: Counter[str] = field(default_factory=Counter)
    relays: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    families: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: int = 0
    waits: Sequence[ScopeWait] = ()
    stopping: bool = False

    @property
    def settled(self) -> int:
        """How many promises need nothing more: those put off will be tried again."""
        return self.states.total() - self.states[State.DEFERRED] + self.skipped

    def count(self, state: State, relay: str, family: str) -> None:
        """Count one promise that has an outcome."""
        self.states[state] += 1
        self.relays[relay][state] += 1
        self.families[family][state] += 1

    def copy(self) -> "DeliveryProgress":
        """Return it as it stands, for another thread.

        `dict()` copies in one step of the interpreter; a list of items is made of objects, and while one is made the
        collector may let others in.
        """
        relays = defaultdict(Counter, {name: Counter(dict(counts)) for name, counts in dict(self.relays).items()})
        families = defaultdict(Counter, {name: Counter(dict(counts)) for name, counts in dict(self.families).items()})
        return DeliveryProgress(Counter(dict(self.states)), relays, families, self.skipped, self.waits, self.stopping)
