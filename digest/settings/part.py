"""What every table of digest.toml is made from."""

from pydantic import BaseModel, ConfigDict

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that are this machine."""


class SettingsTable(BaseModel):
    """One table of digest.toml: read once, never changed, and no key that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
