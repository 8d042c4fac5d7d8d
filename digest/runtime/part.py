"""What every table of digest.toml is made from."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """One table of digest.toml: read once, never changed, and no key that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
