"""Findings of checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a finding forbids approval and sending, or is advice."""

    BLOCK = "block"
    ADVISE = "advise"


@dataclass(frozen=True, slots=True)
class Finding:
    """A result of a check: `id` is stable, `where` the part of the mail, `remedy` what to do.

    `waived` is the reason for which editors let it stand, empty if they do not.
    """

    id: str
    severity: Severity
    where: str
    message: str
    remedy: str
    waived: str = ""

    @classmethod
    def stored(cls, values: Sequence[str]) -> "Finding":
        """Return a finding from its texts. Raises TypeError or ValueError if they are none."""
        name, severity, place, message, remedy = values
        return cls(name, Severity(severity), place, message, remedy)
