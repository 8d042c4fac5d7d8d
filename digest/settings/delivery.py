"""[delivery], [[relay]] and [dkim]."""

import re
import shlex
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from digest.settings.part import LOOPBACK_HOSTS, Duration, SettingsTable, check_post_url
from digest.settings.percentages import share
from digest.settings.percentages import size as canary_size


def _checked_share(value: str) -> str:
    share(value)
    return value


Share = Annotated[str, AfterValidator(_checked_share)]


class PaceSettings(SettingsTable):
    """How fast email may leave: by a relay, or to one family of mailboxes. What is not given is not limited."""

    connections: int | None = Field(
        default=None, ge=1, le=500, description="maximum number of simultaneous connections"
    )
    per_second: float | None = Field(
        default=None, gt=0, description="maximum number of messages per second, on average"
    )
    per_hour: int | None = Field(default=None, ge=1, description="maximum number of messages per hour")
    per_day: int | None = Field(default=None, ge=1, description="maximum number of messages per day")


class RelayLimits(PaceSettings):
    """What one relay may be asked for."""

    connections: int = Field(
        default=10, ge=1, le=500, description="maximum number of simultaneous connections of each worker"
    )
    messages_per_connection: int = Field(default=100, ge=1, description="messages after which a connection is replaced")
    warm_up: tuple[int, ...] = Field(
        default=(),
        description="maximum number of messages on days 1, 2, 3, … of this relay; after that, per_day applies",
    )


class Family(PaceSettings):
    """Mailboxes that one provider keeps under several domains: throttled together, so paced together."""

    domains: tuple[str, ...] = Field(default=(), description="domains in addition to the known ones")


class DeliveryRules(SettingsTable):
    """How email is sent."""

    transport: Literal["maildir", "smtp"] = "maildir"
    maildir: str = Field(default="outbox", description="the maildir transport's folder, within the workspace")
    allow_send: bool = Field(default=False, description="false: relays that are not on loopback are refused")
    window: Duration | None = Field(default=None, description="spread each send over this time, such as 45m or 3h")
    canary: str = Field(
        default="0", description="size of the canary group, which gets an issue first: 1 % or a number; 0: no canary"
    )
    canary_wait: Duration = Field(
        default="30m", description="how long the rest waits for the results of the canary group"
    )
    canary_max_rejected: Share = Field(
        default="5 %", description="share of the canary group, rejected or uncertain, above which the rest is held"
    )
    canary_max_deferred: Share = Field(
        default="50 %",
        description="share of the canary group, still deferred after the wait, above which the rest is held",
    )
    breaker_refusals: int = Field(
        default=3, ge=1, le=1000, description="number of consecutive refusals caused by the sender that holds an issue"
    )
    breaker_rejected: Share = Field(default="20 %", description="share of an issue, rejected, above which it is held")
    breaker_least: int = Field(default=50, ge=1, description="number of answers from which breaker_rejected applies")
    patience: float = Field(
        default=60, ge=0, description="seconds to wait for a relay or database that does not answer"
    )
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
                message = (
                    f"{name[:60]!r} is not a valid family name: use at most 40 lower-case letters, digits and hyphens"
                )
                raise ValueError(message)
        return value


class Relay(SettingsTable):
    """A mail server that takes our mail."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    tls: Literal["required", "opportunistic", "implicit", "none"] = "required"
    username: str | None = Field(default=None, description="user name for the login; empty: no login")
    password_file: str | None = Field(default=None, description="file with the password, UTF-8, mode 0600")
    token_command: str | tuple[str, ...] | None = Field(
        default=None, description="instead of a password: command that prints an access token on its first line"
    )
    token_timeout: float = Field(default=30, gt=0, le=300, description="maximum number of seconds for token_command")
    token_url: str | None = Field(
        default=None, description="instead of a password: OAuth 2.0 token endpoint (https) that issues access tokens"
    )
    token_scope: str = Field(
        default="", description="scope to request from token_url; default: that of the refresh token"
    )
    client_id: str | None = Field(default=None, description="client id for token_url")
    client_secret_file: str | None = Field(
        default=None, description="file that contains the client's secret, mode 0600"
    )
    refresh_token_file: str | None = Field(
        default=None,
        description="file that contains the refresh token, mode 0600; replaced when token_url issues a new one",
    )
    helo: str | None = Field(default=None, description="this machine's full name for EHLO; default: the system's")
    weight: int = Field(
        default=1, ge=1, description="this relay's share of the email, relative to the other relays' weights"
    )
    limits: RelayLimits = Field(default=RelayLimits(), description="limits of this relay")

    @property
    def on_loopback(self) -> bool:
        """Whether the relay is on this machine."""
        return self.host in LOOPBACK_HOSTS

    @property
    def secret_files(self) -> dict[str, str]:
        """The files that hold a secret, by the setting that names them."""
        names = ("password_file", "client_secret_file", "refresh_token_file")
        return {name: path for name in names if (path := getattr(self, name))}

    @model_validator(mode="after")
    def _one_login(self) -> "Relay":
        ways = [name for name in ("password_file", "token_command", "token_url") if getattr(self, name)]
        with_url = [name for name in ("client_id", "client_secret_file", "refresh_token_file") if getattr(self, name)]
        message = ""
        if len(ways) > 1:
            message = f"{ways[0]} and {ways[1]} cannot be combined: a relay has one way to log in"
        elif ways and ways[0] != "password_file" and not self.username:
            message = f"{ways[0]} needs username: the mailbox that the token belongs to"
        elif with_url and not self.token_url:
            message = f"{with_url[0]} needs token_url"
        elif self.token_url and (not self.client_id or len(with_url) == 1):
            message = "token_url needs client_id, and refresh_token_file or client_secret_file"
        if message:
            raise ValueError(message)
        return self

    @field_validator("token_command")
    @classmethod
    def _token_command(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        words = shlex.split(value) if isinstance(value, str) else value  # raises ValueError for an open quotation
        if words is not None and not any(words[:1]):
            raise ValueError("use a command with its arguments, as text or as a list")
        return value

    @field_validator("token_url")
    @classmethod
    def _token_url(cls, value: str | None) -> str | None:
        if value is not None:
            check_post_url(value, "token_url")
        return value


class Dkim(SettingsTable):
    """Our own signature, for relays that do not sign. `digest dkim generate` makes the key."""

    selector: str = Field(description="name of the key in DNS: SELECTOR._domainkey.DOMAIN")
    domain: str | None = Field(default=None, description="signing domain; default: the sender's")
    key_file: str = Field(default="dkim.pem", description="private key (RSA, 2048 bits or more), mode 0600")
