"""Carrier over a transport that takes one message at a time, such as a Maildir."""

from digest.delivery.transport import Parcel, ParcelSource, RelayRefusedError, Reply, Step, Transport, WithEvidence
from digest.outbox.states import Outcome
from digest.runtime.clock import Clock
from digest.runtime.errors import RelayUnreachableError


class OneByOne:
    """A `Carrier` that sends one parcel in each step."""

    capacity = 25  # how many parcels a worker prepares for; each is under way only while `send` runs

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.transport = transport
        self._clock = clock
        self._name = transport.name if isinstance(transport, WithEvidence) else ""
        self.relays = (self._name,)
        self._open = True
        self.under_way = 0

    def allow(self, relay: str, connections: int) -> None:  # noqa: ARG002 - there is one
        self._open = connections > 0

    def step(self, source: ParcelSource, seconds: float) -> Step:
        """Send the next parcel, or sleep if there is none."""
        parcel = source.next(self._name) if self._open else None
        if parcel is None:
            self._clock.sleep(seconds)
            return Step()
        if not source.hand_over(parcel):
            return Step([(parcel, Reply(Outcome.NOT_SENT, None, None, "it was held back", self._name))])
        self.under_way = 1
        step = self._send(parcel)
        self.under_way = 0
        return step

    def _send(self, parcel: Parcel) -> Step:
        try:
            return Step([(parcel, self.transport.send(parcel.envelope, parcel.message))])
        except (RelayRefusedError, RelayUnreachableError) as error:
            reply = Reply(Outcome.NOT_SENT, None, None, error.message, self._name)
            return Step([(parcel, reply)], [(self._name, error)])

    def close(self) -> None:
        self.transport.close()
