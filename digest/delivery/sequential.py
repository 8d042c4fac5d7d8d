"""A carrier over a transport that takes one message at a time: a Maildir, or somebody's own."""

from digest.delivery.transport import Parcel, ParcelSource, RelayRefusedError, Reply, Step, Transport, WithEvidence
from digest.outbox.states import Outcome
from digest.runtime.clock import Clock
from digest.runtime.errors import DigestError, RelayUnreachableError

AT_ONCE = 25
"""As many as a worker prepares for: each is on its way only while `send` runs."""


class OneByOne:
    """Hands parcels to a transport, one in each step."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.transport = transport
        self._clock = clock
        self._name = transport.name if isinstance(transport, WithEvidence) else ""
        self._open = True
        self.under_way = 0

    @property
    def relays(self) -> tuple[str, ...]:
        """The transport's name."""
        return (self._name,)

    @property
    def capacity(self) -> int:
        """See AT_ONCE."""
        return AT_ONCE

    def allow(self, relay: str, connections: int) -> None:  # noqa: ARG002 - there is one
        """Take no parcel while `connections` is 0."""
        self._open = connections > 0

    def step(self, source: ParcelSource, seconds: float) -> Step:
        """Send the next parcel, or wait if there is none."""
        parcel = source.next(self._name) if self._open else None
        if parcel is None:
            self._clock.sleep(seconds)
            return Step()
        self.under_way = 1
        step = self._send(parcel)
        self.under_way = 0
        return step

    def _send(self, parcel: Parcel) -> Step:
        try:
            return Step([(parcel, self.transport.send(parcel.envelope, parcel.message))])
        except (RelayRefusedError, RelayUnreachableError) as error:
            return Step([(parcel, self._not_sent(error))], [(self._name, error)])

    def _not_sent(self, error: DigestError) -> Reply:
        return Reply(Outcome.NOT_SENT, None, None, error.message, self._name)

    def close(self) -> None:
        """Close the transport."""
        self.transport.close()
