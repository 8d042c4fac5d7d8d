"""How a run stands, for whoever watches it: by state, by relay, by family of mailboxes."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from digest.outbox.states import State


@dataclass(slots=True)
class Tally:
    """Counts of what has ended. It is the worker's own, and changes while the run goes on."""

    states: Counter[str] = field(default_factory=Counter)
    relays: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    families: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: int = 0

    @property
    def settled(self) -> int:
        """How many promises need nothing more: those put off will be tried again."""
        return self.states.total() - self.states[State.DEFERRED.value] + self.skipped

    def count(self, state: State, relay: str, family: str) -> None:
        """Count one promise that has an outcome."""
        self.states[state.value] += 1
        self.relays[relay][state.value] += 1
        self.families[family][state.value] += 1
