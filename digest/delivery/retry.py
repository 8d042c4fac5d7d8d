"""When to try again: exponential back-off with jitter, and the moment to give up. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.outbox.states import Outcome

# Gmail's sender guidelines: after 4.7.28 send nothing for at least ten minutes.
THROTTLE_PAUSE = timedelta(minutes=10)
THROTTLE_STATUS = ".7.28"  # also seen as 421 5.7.28


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How patient we are with a relay, which queues by itself: shorter pauses than between mail exchangers."""

    first_pause: timedelta = timedelta(minutes=5)
    longest_pause: timedelta = timedelta(hours=4)
    give_up_after: timedelta = timedelta(days=3)


DEFAULT_RULE = RetryRule()


def pause(attempts: int, jitter: float, *, enhanced: str | None = None, rule: RetryRule = DEFAULT_RULE) -> timedelta:
    """Return how long to wait after the `attempts`-th attempt (1 = the first).

    The pause doubles with each attempt up to the longest one. `jitter`, from 0 to 1, spreads it over the half above it,
    so that deliveries deferred together do not come back together.
    """
    if attempts < 1 or not 0 <= jitter <= 1:
        raise ValueError(f"attempts is at least 1 and jitter is from 0 to 1, not {attempts} and {jitter}")
    # sixteen doublings make 227 days of five minutes; without a bound a timedelta overflows
    doubled = min(rule.first_pause * (1 << min(attempts - 1, 16)), rule.longest_pause)
    spread = doubled * (1 + jitter / 2)
    return max(spread, THROTTLE_PAUSE) if (enhanced or "").endswith(THROTTLE_STATUS) else spread


def next_try(
    attempts: int,
    outcome: Outcome,
    now: datetime,
    first_started: datetime,
    jitter: float,
    *,
    enhanced: str | None = None,
    rule: RetryRule = DEFAULT_RULE,
) -> datetime | None:
    """Return when a delivery is due again, or None when it has expired or its outcome is not one to retry.

    Only `deferred` is retried by the clock; `not_sent` is due at once, as its attempt never reached the envelope, and
    `uncertain` never is. A delivery has expired when its next try would come later than `give_up_after` from the
    start of its first attempt. `jitter` is from 0 to 1.
    """
    if outcome is Outcome.NOT_SENT:
        return now
    if outcome is not Outcome.DEFERRED:
        return None
    due = now + pause(attempts, jitter, enhanced=enhanced, rule=rule)
    return due if due - first_started <= rule.give_up_after else None
