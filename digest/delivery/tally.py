"""How a run stands, for whoever watches it: by state, by relay, by family of mailboxes."""

from collections import Counter
from dataclasses import dataclass, field

from digest.outbox.states import State


@dataclass(slots=True)
class Tally:
    """Counts of what has ended. It is the worker's own, and changes while the run goes on."""

    states: Counter[str] = field(default_factory=Counter)
    relays: dict[str, Counter[str]] = field(default_factory=dict)
    families: dict[str, Counter[str]] = field(default_factory=dict)
    skipped: int = 0

    @property
    def settled(self) -> int:
        """How many promises need nothing more: those put off will be tried again."""
        return self.states.total() - self.states[State.DEFERRED.value] + self.skipped

    def count(self, state: State, relay: str, family: str) -> None:
        """Count one promise that has an outcome."""
        self.states[state.value] += 1
        self.relays.setdefault(relay, Counter())[state.value] += 1
        self.families.setdefault(family, Counter())[state.value] += 1
