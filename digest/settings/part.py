"""Base model and shared types of the tables in digest.toml."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict

from digest.runtime.clock import duration_text

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
Duration = Annotated[str, AfterValidator(duration_text)]


class SettingsTable(BaseModel):
    """Base of the tables in digest.toml: immutable, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def check_post_url(url: str, name: str) -> None:
    """Raise ValueError unless `url` is https, or http on loopback, without a login."""
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{name} has an invalid port") from error
    if not host or parts.username is not None or parts.fragment or not url.isprintable() or " " in url:
        raise ValueError(f"{name} must have the form https://host/path, without a login or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK_HOSTS):
        raise ValueError(f"{name} must be https (http:// only on loopback)")
