"""What every part of the configuration has in common."""

from pydantic import BaseModel, ConfigDict

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Part(BaseModel):
    """A table of digest.toml: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")
