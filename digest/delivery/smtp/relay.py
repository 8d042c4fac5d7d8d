"""Configuration of a relay and its timeouts."""

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Tls(StrEnum):
    """TLS mode of a relay. Wherever TLS is used, certificate and host name are verified."""

    REQUIRED = "required"
    OPPORTUNISTIC = "opportunistic"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of each phase in seconds: the minimums of RFC 5321 section 4.5.3.2, each for a whole reply.

    A shorter wait after the final dot makes uncertain deliveries: the server may be about to accept.
    """

    connect: float = 60
    greeting: float = 300
    login: float = 300  # EHLO, STARTTLS and the handshake, AUTH: each step
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    block: float = 180
    dot: float = 600
    goodbye: float = 5  # nothing depends on the answer to QUIT


class Token(Protocol):
    """An access token that is obtained when it is needed."""

    def get(self, *, refused: str = "") -> str:
        """Return it; another one than `refused`, if that can be had."""


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """A relay. `token` logs in instead of a password.

    Without `tls` it must offer STARTTLS, unless it is on loopback. `helo` is our fully qualified name; None asks the
    system. `max_messages_per_connection` keeps us below caps that servers often do not announce. `weight` is its share
    of the mail beside other relays; `connections` is the limit of one worker.
    """

    host: str
    port: int = 25
    tls: Tls | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: Token | None = field(default=None, repr=False, compare=False)
    helo: str | None = None
    weight: int = 1
    connections: int = 10
    max_messages_per_connection: int = 100
    timeouts: Timeouts = Timeouts()

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def protection(self) -> Tls:
        """The TLS mode asked for, or the default for where the relay is."""
        return Tls(self.tls) if self.tls else Tls.NONE if self.is_loopback else Tls.REQUIRED

    @property
    def is_loopback(self) -> bool:
        """Whether the relay is on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
