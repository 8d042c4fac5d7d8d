"""Work in flight: started promises that wait for a relay or are on the wire."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from digest.delivery.transport import Parcel
from digest.outbox.notices import TakenNotice
from digest.outbox.take import Started, Taken

if TYPE_CHECKING:
    from digest.delivery.worker.sources import WorkSource

S = TypeVar("S", bound=Started)


@dataclass(slots=True)  # each mail makes one: not frozen
class InFlight(Generic[S]):
    """A started promise and its source; when it was taken, and how long the machine had slept by then (seconds)."""

    stream: "WorkSource[S]"
    started: S
    taken_at: float
    asleep: float = 0.0

    @property
    def family(self) -> str:
        return self.started.family if isinstance(self.started, Taken) else ""

    @property
    def address(self) -> str:
        if isinstance(self.started, Taken):
            return self.started.reader.address
        return self.started.address if isinstance(self.started, TakenNotice) else ""


class InFlightSource:
    """Source of a carrier's parcels.

    `admit` makes a parcel at the last moment, or settles the item and returns None; nothing starts while `may_start`
    says no. `may_go` is asked about an item that must begin once more, `hand_over` before one may count as sent.
    """

    def __init__(
        self,
        admit: Callable[[InFlight[Started]], Parcel | None],
        may_start: Callable[[], bool] = lambda: True,
        may_go: Callable[[InFlight[Started]], bool] = lambda _item: True,
        hand_over: Callable[[InFlight[Started]], bool] = lambda _item: True,
    ) -> None:
        self._admit = admit
        self._may_start = may_start
        self._may_go = may_go
        self._hand_over = hand_over
        self._waiting: dict[str, deque[InFlight[Started]]] = {}
        self._under_way: dict[str, InFlight[Started]] = {}
        self.families: Counter[str] = Counter()
        """Number of items in flight by family."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) + len(self._under_way)

    @property
    def attempt_ids(self) -> frozenset[str]:
        waiting = [item.started.attempt_id for queue in self._waiting.values() for item in queue]
        return frozenset(waiting) | self._under_way.keys()

    def add(self, items: Iterable[InFlight[Started]]) -> None:
        for item in items:
            self._waiting.setdefault(item.started.relay, deque()).append(item)
            self.families[item.family] += 1

    def waiting(self, relay: str) -> int:
        return len(self._waiting.get(relay, ()))

    def waiting_since(self, relay: str) -> float | None:
        """Return when the first item that waits for this relay was taken (monotonic seconds)."""
        queue = self._waiting.get(relay)
        return queue[0].taken_at if queue else None

    def under_way(self, relay: str) -> int:
        """Return how many of this relay's items are with the carrier."""
        return sum(item.started.relay == relay for item in self._under_way.values())

    def next(self, relay: str) -> Parcel | None:
        queue = self._waiting.get(relay)
        while queue and self._may_start():
            item = queue[0]  # it waits until it is known elsewhere: an error here must not lose it
            parcel = self._admit(item)
            if parcel is not None:
                self._under_way[parcel.key] = item
            queue.popleft()
            if parcel is not None:
                return parcel
            self.families[item.family] -= 1
        return None

    def may_go(self, parcel: Parcel) -> bool:
        """Return whether a parcel that came back unanswered may still go."""
        item = self._under_way.get(parcel.key)
        return item is not None and self._may_go(item)

    def hand_over(self, parcel: Parcel) -> bool:
        """Mark a parcel as sent, perhaps; return whether it may be. One that is not known here may not."""
        item = self._under_way.get(parcel.key)
        return item is not None and self._hand_over(item)

    def carried(self, key: str) -> InFlight[Started]:
        return self._under_way[key]

    def ended(self, key: str) -> None:
        """Forget an ended item. Keep its outcome first: an attempt without one counts as never sent."""
        self.families[self._under_way.pop(key).family] -= 1

    def take_back(self, relay: str | None = None) -> list[InFlight[Started]]:
        """Return and remove the items that wait, for one relay or all."""
        names = list(self._waiting) if relay is None else [relay]
        items = [item for name in names for item in self._waiting.pop(name, ())]
        self.families.subtract(item.family for item in items)
        return items

    def on_the_way(self) -> list[InFlight[Started]]:
        return list(self._under_way.values())
