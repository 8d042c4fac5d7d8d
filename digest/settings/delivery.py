"""[delivery], [[relay]] and [dkim]."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from digest.settings.part import LOOPBACK_HOSTS, Duration, SettingsTable
from digest.settings.percentages import share
from digest.settings.percentages import size as canary_size


def _checked_share(value: str) -> str:
    share(value)
    return value


Share = Annotated[str, AfterValidator(_checked_share)]


class PaceSettings(SettingsTable):
    """How fast mail may leave: by a relay, or to one family of mailboxes. What is not given is not limited."""

    connections: int | None = Field(default=None, ge=1, le=500, description="most connections at once")
    per_second: float | None = Field(default=None, gt=0, description="most messages a second, on average")
    per_hour: int | None = Field(default=None, ge=1, description="most messages an hour")
    per_day: int | None = Field(default=None, ge=1, description="most messages a day")


class RelayLimits(PaceSettings):
    """What one relay may be asked for."""

    connections: int = Field(default=10, ge=1, le=500, description="most connections at once, of each worker")
    messages_per_connection: int = Field(default=100, ge=1, description="messages after which a connection is renewed")
    warm_up: tuple[int, ...] = Field(
        default=(), description="most messages on the first day, the second, … of this relay; then per_day holds"
    )


class Family(PaceSettings):
    """Mailboxes that one provider keeps under several domains: throttled together, so paced together."""

    domains: tuple[str, ...] = Field(default=(), description="domains beside those that are known")


class DeliveryRules(SettingsTable):
    """How mail leaves the house."""

    transport: Literal["maildir", "smtp"] = "maildir"
    maildir: str = Field(default="outbox", description="folder of the maildir transport, within the workspace")
    allow_send: bool = Field(default=False, description="a relay that is not on loopback is refused until this is true")
    window: Duration | None = Field(default=None, description="spread a send over this long, such as 45m or 3h")
    canary: str = Field(default="0", description="so many readers get an issue first: 1 % or a number; 0: all at once")
    canary_wait: Duration = Field(default="30m", description="how long the rest waits for how the first ones fare")
    canary_max_rejected: Share = Field(
        default="5 %", description="more of them rejected or uncertain: the rest is held"
    )
    canary_max_deferred: Share = Field(
        default="50 %", description="more of them put off after the wait: the rest is held"
    )
    breaker_refusals: int = Field(
        default=3, ge=1, le=1000, description="so many refusals in a row that are about us hold an issue"
    )
    breaker_rejected: Share = Field(default="20 %", description="more of an issue rejected: it is held")
    breaker_least: int = Field(default=50, ge=1, description="answers from which on breaker_rejected counts")
    patience: float = Field(default=60, ge=0, description="seconds to wait for a relay or database that is away")
    families: dict[str, Family] = Field(
        default_factory=dict, description="[delivery.families.NAME]: limits by mailbox provider (google, microsoft, …)"
    )

    @field_validator("canary")
    @classmethod
    def _canary(cls, value: str) -> str:
        canary_size(value, 1)
        return value

    @field_validator("families")
    @classmethod
    def _families(cls, value: dict[str, Family]) -> dict[str, Family]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9-]{1,40}", name):
                message = f"{name[:60]!r} is no name of a family: small letters, digits and hyphens, at most 40"
                raise ValueError(message)
        return value


class Relay(SettingsTable):
    """A mail server that takes our mail."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    tls: Literal["required", "opportunistic", "implicit", "none"] = "required"
    username: str | None = None
    password_file: str | None = None
    helo: str | None = Field(default=None, description="our own full name for EHLO; default: the system's")
    weight: int = Field(default=1, ge=1, description="its share of the mail, beside the other relays' weights")
    limits: RelayLimits = Field(default=RelayLimits(), description="how much this relay may be asked for")

    @property
    def on_loopback(self) -> bool:
        """Whether the relay is on this machine."""
        return self.host in LOOPBACK_HOSTS


class Dkim(SettingsTable):
    """Our own signature, for relays that do not sign. `digest dkim generate` makes the key."""

    selector: str = Field(description="the DNS name is SELECTOR._domainkey.DOMAIN")
    domain: str | None = Field(default=None, description="signing domain; default: the sender's")
    key_file: str = Field(default="dkim.pem", description="private key (RSA, 2048 bits or more), mode 0600")
