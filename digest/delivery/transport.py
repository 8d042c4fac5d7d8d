"""What a worker needs of a way to send: each message goes to one recipient and is answered by one Reply."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from digest.delivery.outcome import Reason, explain
from digest.outbox.states import Outcome
from digest.runtime.errors import ConfigError, DigestError


class RelayRefusedError(ConfigError):
    """The relay refuses us as a client."""

    default_hint = (
        "Check [[relay]] in digest.toml: host, port, tls, username, password_file; this attempt sent nothing."
    )


class Phase(StrEnum):
    """How far a mail transaction had come when it ended."""

    BEFORE = "before"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The two addresses of a transaction and the id by which logs name it; an empty sender is the null return path."""

    delivery_id: str
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Reply:
    """How one attempt ended, in the server's words if it had any.

    `code` is None when no server answered; then `enhanced` is what a server would have said, if we refused the message
    ourselves (`Phase.BEFORE`), else None. `text` is already cleaned (no addresses, no control
    characters, at most 500 characters); `relay` names the server as `host:port`. A rejection at `Phase.MAIL` is about
    the sender, not about the reader.
    """

    outcome: Outcome
    code: int | None
    enhanced: str | None
    text: str
    relay: str
    phase: Phase = Phase.DOT

    @property
    def reason(self) -> Reason:
        """Return why, as far as the codes tell."""
        return explain(self.code, self.enhanced)


class Transport(Protocol):
    """A way to hand over messages, used by one thread at a time."""

    def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
        """Hand over one message to one recipient.

        `message` is the whole message in any number of chunks: 7-bit, lines ended by CRLF, not dot-stuffed. What the
        server says about this message is a value. Two errors concern every message alike, and after either nothing of
        this message's transaction has been acted upon, so that the attempt is `not_sent`: RelayRefusedError (the
        configuration is wrong; stop the run) and `digest.runtime.errors.RelayUnreachableError` (wait, then go on).
        """

    def close(self) -> None:
        """Say goodbye and free what is held; `send` may be called again afterwards."""


@runtime_checkable
class WithEvidence(Protocol):
    """A transport that can tell afterwards what became of a message, and under which name it stands in attempts."""

    name: str

    def evidence(self, delivery_id: str) -> bool | None:
        """Return whether it was delivered; None when that cannot be known."""


class Encoded(list[bytes]):
    """The pieces of a message whose maker answers for its form, so that nobody looks again for each reader.

    7-bit, lines ended by CRLF, the last one too, and none that begins with a dot: `digest.render.parts` encodes so.
    """


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way: `key` is the caller's own name for the attempt, `relay` the name of the way it goes."""

    key: str
    relay: str
    envelope: Envelope
    message: Sequence[bytes]


@dataclass(slots=True)
class Step:
    """What happened in one step: parcels that ended, and relays that failed before any parcel was asked for."""

    ended: list[tuple[Parcel, Reply]] = field(default_factory=list)
    failures: list[tuple[str, DigestError]] = field(default_factory=list)


class ParcelSource(Protocol):
    """Where a carrier gets its parcels, each immediately before its envelope goes on the wire."""

    def waiting(self, relay: str) -> int:
        """Return how many parcels wait for this relay: no more connections are opened than that."""

    def next(self, relay: str) -> Parcel | None:
        """Return the next parcel for this relay; None if none may go now."""

    def may_go(self, parcel: Parcel) -> bool:
        """Return whether a parcel that it gave, and whose envelope came back, may still begin."""


class Carrier(Protocol):
    """Carries many parcels at once, on any number of connections to any number of relays; used by one thread."""

    @property
    def relays(self) -> tuple[str, ...]:
        """The names of the ways that parcels may name."""

    @property
    def capacity(self) -> int:
        """How many parcels can be under way at once at most."""

    @property
    def under_way(self) -> int:
        """How many parcels were taken from the source and have not ended."""

    def allow(self, relay: str, connections: int) -> None:
        """Use at most so many connections to a relay from now on: 0 opens none and takes no parcel for it."""

    def step(self, source: ParcelSource, seconds: float) -> Step:
        """Get on with everything, waiting at most `seconds` for something to happen.

        A parcel ends exactly once, with a reply. A failure is about a relay as such: RelayRefusedError (the
        configuration is wrong) or RelayUnreachableError (it may work later); parcels are not involved.
        """

    def close(self) -> None:
        """Say goodbye and free what is held. Parcels still under way are left to the caller, who knows their keys."""
