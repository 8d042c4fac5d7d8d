"""[web], [desk], [signup] and [limits]: `digest serve`, its sign-up form, and rate limits of its forms."""

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from digest.settings.part import SettingsTable
from digest.settings.publication import Localised

_RATE = re.compile(r"[1-9][0-9]{0,8}/([1-9][0-9]{0,3})?(second|minute|hour|day)")


def _rate(text: str) -> str:
    parts = [part.strip() for part in text.split(";")]
    if text and not all(_RATE.fullmatch(part) for part in parts):
        message = f"{text[:60]!r} is not a valid limit; use a form such as 20/hour or 5/minute;100/day"
        raise ValueError(message)
    return ";".join(parts)


# In the notation of the library `limits`; empty for none.
Rate = Annotated[str, AfterValidator(_rate)]


class Web(SettingsTable):
    """How `digest serve` is run."""

    workers: int = Field(default=1, ge=1, le=64, description="processes of `digest serve`; --workers overrides it")
    connections: int = Field(
        default=500, ge=10, description="maximum number of simultaneous connections per process; further ones get a 503"
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=("127.0.0.1", "::1"),
        description="addresses and networks of trusted proxies; X-Forwarded-For is accepted only from these",
    )

    hosts: tuple[str, ...] = Field(
        default=(),
        description="additional host names, besides those of base_url and loopback, at which readers' links work: "
        "the names by which a proxy calls this server",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ipaddress.ip_network(one, strict=True)
            except ValueError as error:
                message = f"{one[:60]!r} is not an address or network such as 10.0.0.5 or 10.0.0.0/24"
                raise ValueError(message) from error
        return value


class DeskSettings(SettingsTable):
    """The editors' desk of `digest serve`, at /desk, for accounts made by `digest user add`."""

    enabled: bool = Field(default=False, description="have a desk, behind sign-in")
    session_hours: int = Field(default=12, ge=1, le=168, description="hours after which one signs in again")
    idle_minutes: int = Field(default=120, ge=5, le=1440, description="minutes without a request that end a session")
    review_days: int = Field(default=7, ge=1, le=90, description="days after which a new review link expires")
    attempts: Rate = Field(default="10/15minute", description="attempts to sign in by one login")
    attempts_network: Rate = Field(default="60/15minute", description="attempts from one network (IPv4 /24, IPv6 /64)")


class SignupForms(SettingsTable):
    """What the sign-up form asks for and shows, here and on other sites."""

    privacy_policy: Localised = Field(
        default_factory=dict,
        description="address of your privacy policy; the form and the footer of every page link to it",
    )
    consent_text: Localised = Field(
        default_factory=dict,
        description="what is collected, why, for how long, and the right to refuse; readers must tick a box to agree",
    )
    name: Literal["off", "optional", "required"] = Field(
        default="off", description="show a field for the reader's name"
    )

    @field_validator("privacy_policy")
    @classmethod
    def _web_addresses(cls, value: dict[str, str]) -> dict[str, str]:
        for url in value.values():
            if urlsplit(url).scheme not in {"https", "http"} or not urlsplit(url).netloc or len(url.split()) != 1:
                raise ValueError(f"{url[:60]!r} is not a web address such as https://www.example.org/privacy")
        return value


class FormLimits(SettingsTable):
    """How many emails strangers may ask for by the web's forms. Leaving is never limited."""

    address: Rate = Field(default="5/hour", description="sign-ups of one address (at most one email a day is sent)")
    network: Rate = Field(default="60/hour", description="sign-ups from one network (IPv4 /24, IPv6 /64)")
    region: Rate = Field(default="300/hour", description="sign-ups from one larger network (IPv4 /16, IPv6 /48)")
    all: Rate = Field(
        default="1000/hour", description="all sign-ups together; the log reports when the limit is reached"
    )
    bare: Rate = Field(
        default="20/hour",
        description="sign-ups from one network through forms on other sites, which do not say when they were shown",
    )
    shared: bool = Field(
        default=False,
        description="count in the database, for several machines; several workers on one machine always do",
    )
