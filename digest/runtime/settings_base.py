"""What every part of the configuration has in common."""

from digest.runtime.part import Part

__all__ = ["LOCAL", "Part"]

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
