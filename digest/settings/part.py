"""Base model and shared types of the tables in digest.toml."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from digest.runtime.clock import duration_text

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
Duration = Annotated[str, AfterValidator(duration_text)]


class SettingsTable(BaseModel):
    """Base of the tables in digest.toml: immutable, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
