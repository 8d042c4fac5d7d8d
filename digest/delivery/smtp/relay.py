"""A relay as configured, and how long we wait for it."""

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum


class Tls(StrEnum):
    """How the connection to a relay is protected. Wherever TLS is used, certificate and host name are verified."""

    REQUIRED = "required"
    OPPORTUNISTIC = "opportunistic"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait in each phase: the minimums of RFC 5321 section 4.5.3.2, each for a whole reply.

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


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """One mail server that takes our messages.

    Without `tls` a relay off this machine must offer STARTTLS, and one on loopback is spoken to in clear. `helo` is our
    own fully qualified name; None asks the system. `max_messages_per_connection` keeps us below the caps that
    servers have and often do not announce. `weight` is its share of the mail beside other relays; `connections` the
    most that one worker opens.
    """

    host: str
    port: int = 25
    tls: Tls | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    helo: str | None = None
    weight: int = 1
    connections: int = 10
    max_messages_per_connection: int = 100
    timeouts: Timeouts = Timeouts()

    @property
    def name(self) -> str:
        """Return how replies and logs name this relay."""
        return f"{self.host}:{self.port}"

    @property
    def protection(self) -> Tls:
        """Return the protection asked for, or the default of where the relay is."""
        return Tls(self.tls) if self.tls else Tls.NONE if self.is_loopback else Tls.REQUIRED

    @property
    def is_loopback(self) -> bool:
        """Return whether what we send never leaves this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
