"""Percentages and sizes of an audience in settings: `5 %`, or a number of readers. Pure."""

import math
import re

_FORM = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)\s*%|(\d{1,7})", re.ASCII)


def share(text: str) -> float:
    """Parse a percentage such as `5 %` as a number from 0 to 1; raise ValueError."""
    match = _FORM.fullmatch(text.strip())
    if not match or not match[1] or float(match[1]) > 100:
        message = f"{text[:20]!r} is not a percentage such as 5 %"
        raise ValueError(message)
    return float(match[1]) / 100


def size(text: str, readers: int) -> int:
    """Return the size of a canary of `readers`: `1 %` of them, at least one, or a number; 0 if it would be all of them.

    Raises ValueError.
    """
    match = _FORM.fullmatch(text.strip())
    if not match:
        message = f"{text[:20]!r} is neither a percentage nor a number; use a value such as 1 % or 50"
        raise ValueError(message)
    wanted = int(match[2]) if match[2] else math.ceil(share(text) * readers)
    return wanted if wanted < readers else 0
