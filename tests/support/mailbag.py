"""Parcels for conversations and fleets under test, and what became of them."""

from collections import Counter, deque
from collections.abc import Iterable

from digest.delivery.outcome import Outcome
from digest.delivery.smtp.fleet import Fleet
from digest.delivery.transport import Parcel, Reply, Step


class ListBag:
    """A mailbag for one conversation; what comes back stays."""

    def __init__(self, parcels: Iterable[Parcel]) -> None:
        self.waiting = deque(parcels)
        self.ended: list[tuple[Parcel, Reply]] = []
        self.returned: list[tuple[Parcel, Reply]] = []

    def take(self) -> Parcel | None:
        return self.waiting.popleft() if self.waiting else None

    def done(self, parcel: Parcel, reply: Reply) -> None:
        self.ended.append((parcel, reply))

    def hand_over(self, parcel: Parcel) -> bool:
        return True

    def again(self, parcel: Parcel, reply: Reply) -> None:
        self.returned.append((parcel, reply))

    def outcomes(self) -> dict[str, Outcome]:
        return {parcel.key: reply.outcome for parcel, reply in self.ended}


class ListSource:
    """A source for a fleet, which must give back each parcel's end once."""

    def __init__(self, parcels: Iterable[Parcel]) -> None:
        self._queues: dict[str, deque[Parcel]] = {}
        for parcel in parcels:
            self._queues.setdefault(parcel.relay, deque()).append(parcel)
        self.taken = 0
        self.refused: set[str] = set()
        self.held_back: set[str] = set()
        self.handed_over: list[str] = []

    def waiting(self, relay: str) -> int:
        return len(self._queues.get(relay, ()))

    def next(self, relay: str) -> Parcel | None:
        if not self.waiting(relay):
            return None
        self.taken += 1
        return self._queues[relay].popleft()

    def may_go(self, parcel: Parcel) -> bool:
        return parcel.key not in self.refused

    def hand_over(self, parcel: Parcel) -> bool:
        """Mark the parcel, unless it is to be held back."""
        self.handed_over.append(parcel.key)
        return parcel.key not in self.held_back


def carry(fleet: Fleet, source: ListSource, *, taken_before: int = 0) -> Step:
    """Step until everything ended, or a relay failed and nothing is under way."""
    whole = Step()
    while fleet.under_way or any(source.waiting(relay) for relay in fleet.relays):
        step = fleet.step(source, 10)
        whole.ended += step.ended
        whole.failures += step.failures
        if whole.failures and not fleet.under_way:
            break
    ends = Counter(id(parcel) for parcel, _ in whole.ended)
    assert not ends or max(ends.values()) == 1, "a parcel ended twice"
    assert len(whole.ended) == source.taken - taken_before
    return whole
