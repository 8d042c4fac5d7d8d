"""Retry schedule: exponential back-off with jitter, and expiry. Pure."""

from datetime import datetime, timedelta

# Gmail's sender guidelines: after 4.7.28 send nothing for at least ten minutes.
THROTTLE_PAUSE = timedelta(minutes=10)
THROTTLE_STATUS = ".7.28"  # also seen as 421 5.7.28


# Shorter pauses than between mail exchangers: a relay queues by itself.
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=4)
GIVE_UP_AFTER = timedelta(days=3)


def pause(attempts: int, jitter: float, *, enhanced: str | None = None) -> timedelta:
    """Return the pause after the `attempts`-th attempt (1 = the first).

    It doubles with each attempt up to the longest one. `jitter`, from 0 to 1, spreads it over the half above it, so
    that deliveries deferred together do not come back together.
    """
    if attempts < 1 or not 0 <= jitter <= 1:
        raise ValueError(f"attempts is at least 1 and jitter is from 0 to 1, not {attempts} and {jitter}")
    # sixteen doublings make 227 days of five minutes; without a bound a timedelta overflows
    doubled = min(FIRST_PAUSE * (1 << min(attempts - 1, 16)), LONGEST_PAUSE)
    spread = doubled * (1 + jitter / 2)
    return max(spread, THROTTLE_PAUSE) if (enhanced or "").endswith(THROTTLE_STATUS) else spread


def next_try(
    attempts: int, now: datetime, first_started: datetime, jitter: float, *, enhanced: str | None = None
) -> datetime | None:
    """Return when a deferred delivery is due again, or None when it has expired.

    It expires when its next try would come later than GIVE_UP_AFTER from the start of its first attempt.
    """
    due = now + pause(attempts, jitter, enhanced=enhanced)
    return due if due - first_started <= GIVE_UP_AFTER else None
