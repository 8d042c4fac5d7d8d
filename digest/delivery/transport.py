"""Interfaces of sending: transports (one message at a time) and carriers (many at once), and their values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from digest.delivery.outcome import Phase, Reason, explain
from digest.outbox.states import Outcome
from digest.runtime.errors import ConfigError, DigestError


class RelayRefusedError(ConfigError):
    """The relay refuses us as a client."""

    default_hint = "Check [[relay]] in digest.toml: host, port, tls and login. This attempt sent nothing."


@dataclass(slots=True)  # each mail makes one: not frozen
class Envelope:
    """SMTP envelope, with the id by which logs name it; an empty sender is the null return path.

    With a `dsn_id` reports of failures are asked for where the relay offers them (RFC 3461): they will name it.
    """

    delivery_id: str
    sender: str
    recipient: str
    dsn_id: str = ""


@dataclass(slots=True)  # each mail makes one: not frozen
class Reply:
    """Result of one attempt, in the server's words if it had any.

    `code` is None when no server answered; then `enhanced` is what a server would have said if we refused the message
    ourselves (`Phase.BEFORE`), else None. `text` is cleaned by `clean_reply`; `relay` is `host:port`. A rejection at
    `Phase.MAIL` is about the sender, not the recipient.
    """

    outcome: Outcome
    code: int | None
    enhanced: str | None
    text: str
    relay: str
    phase: Phase = Phase.DOT

    @property
    def reason(self) -> Reason:
        return explain(self.code, self.enhanced, self.phase, self.text)

    @property
    def refuses_us(self) -> bool:
        """Whether it is a permanent refusal that is about us: the next reader would fare no better."""
        permanent = self.code // 100 == 5 if self.code else (self.enhanced or "").startswith("5")
        return permanent and self.outcome is Outcome.DEFERRED


class Transport(Protocol):
    """Sends messages, one at a time; used by one thread at a time."""

    def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
        """Send one message to one recipient.

        `message` has any number of chunks: 7-bit, CRLF line ends, not dot-stuffed. The server's answer about this
        message is a value. Two errors concern every message alike; after either, this attempt is `not_sent`:
        RelayRefusedError (wrong configuration; stop the run) and RelayUnreachableError (wait, then go on).
        """

    def close(self) -> None:
        """Close connections; `send` may be called again afterwards."""


@runtime_checkable
class WithEvidence(Protocol):
    """A transport that knows afterwards whether it delivered a message; `name` stands in attempts."""

    name: str

    def evidence(self, delivery_id: str) -> bool | None:
        """Return whether it was delivered; None if that cannot be known."""


class Encoded(list[bytes]):
    """Pieces of a message that are in wire form already, so that they are not searched for each recipient.

    7-bit, CRLF line ends, the last one too, no leading dots: `digest.render.parts` encodes so.
    """


@dataclass(slots=True)  # each mail makes one: not frozen
class Parcel:
    """A message to carry: `key` is the caller's name for the attempt, `relay` the relay it goes by."""

    key: str
    relay: str
    envelope: Envelope
    message: Sequence[bytes]


@dataclass(slots=True)
class Step:
    """What happened in one step: parcels that ended, and relays that failed as such."""

    ended: list[tuple[Parcel, Reply]] = field(default_factory=list)
    failures: list[tuple[str, DigestError]] = field(default_factory=list)


class ParcelSource(Protocol):
    """Source of a carrier's parcels, each taken immediately before its envelope goes on the wire."""

    def waiting(self, relay: str) -> int:
        """Return how many parcels wait for this relay: no more connections are opened than that."""

    def next(self, relay: str) -> Parcel | None:
        """Return the next parcel for this relay; None if none may go now."""

    def may_go(self, parcel: Parcel) -> bool:
        """Return whether a parcel whose envelope came back unanswered may still go."""

    def hand_over(self, parcel: Parcel) -> bool:
        """Note that a parcel may have been sent from now on; return whether that may be.

        A carrier asks immediately before the first byte after which the other side may have the whole message, and
        ends the parcel as `not_sent` on a no.
        """


class Carrier(Protocol):
    """Sends many parcels at once, on any number of connections to any number of relays; used by one thread."""

    @property
    def relays(self) -> tuple[str, ...]:
        """The relay names that parcels may use."""

    @property
    def capacity(self) -> int:
        """The largest number of parcels under way."""

    @property
    def under_way(self) -> int:
        """How many parcels were taken from the source and have not ended."""

    def allow(self, relay: str, connections: int) -> None:
        """Use at most so many connections to a relay from now on; 0 opens none and takes no parcel for it."""

    def step(self, source: ParcelSource, seconds: float) -> Step:
        """Make progress on every connection, waiting at most `seconds` for something to happen.

        Each parcel ends exactly once, with a reply. A failure is about a relay, not about parcels: RelayRefusedError
        (wrong configuration) or RelayUnreachableError (it may work later).
        """

    def close(self) -> None:
        """Close connections. Parcels still under way are left to the caller, who knows their keys."""
