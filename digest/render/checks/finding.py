"""What a check says."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a finding forbids approving and sending, or only asks for a look."""

    BLOCK = "block"
    ADVISE = "advise"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should see: `id` is stable, `where` the part of the mail, `remedy` what to do."""

    id: str
    severity: Severity
    where: str
    message: str
    remedy: str
