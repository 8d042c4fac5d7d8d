"""How long a send will take: our own speed, measured, and the pace that relays and mailbox providers allow. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from digest.delivery.pace import PaceLimits, hour_burst, hour_rate

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class RelayShare:
    """A relay: its limits, and its share of the mail beside the others' weights."""

    name: str
    limits: PaceLimits
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent and what holds it back. `families` has the messages by provider, `limits` theirs."""

    families: Mapping[str, int]
    limits: Mapping[str, PaceLimits]
    routes: Sequence[RelayShare]
    window: timedelta = timedelta(0)
    canary_wait: timedelta = timedelta(0)

    @property
    def messages(self) -> int:
        """How many messages in all."""
        return sum(self.families.values())


@dataclass(frozen=True, slots=True)
class Bound:
    """Something that a send cannot be quicker than, in seconds."""

    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The time of a send in seconds, and what bounds it, the tightest first."""

    seconds: float
    bounds: tuple[Bound, ...]


def predict(plan: Plan, *, per_second: float, build_seconds: float) -> Prediction:
    """Return how long the send takes at `per_second` messages a second of our own, after building for `build_seconds`.

    What bounds it works side by side, so that the slowest counts; a canary's wait comes before all else.
    """
    bounds = [Bound("our own speed", plan.messages / per_second if per_second > 0 else math.inf)]
    weights = sum(route.weight for route in plan.routes)
    for route in plan.routes:
        share = math.ceil(plan.messages * route.weight / weights)
        bounds.append(Bound(f"relay {route.name}", _seconds(share, route.limits)))
    for family, messages in plan.families.items():
        bounds.append(Bound(f"mailboxes of {family}", _seconds(messages, plan.limits.get(family, PaceLimits()))))
    if plan.window:
        bounds.append(Bound("[delivery] window", plan.window.total_seconds()))
    relevant = sorted((bound for bound in bounds if bound.seconds > 0), key=lambda bound: -bound.seconds)
    slowest = relevant[0].seconds if relevant else 0.0
    return Prediction(build_seconds + plan.canary_wait.total_seconds() + slowest, tuple(relevant))


def _seconds(messages: int, limits: PaceLimits) -> float:
    """Return the seconds that the limits alone make so many messages take."""
    return max(_by_second(messages, limits), _by_hour(messages, limits), _by_day(messages, limits))


def _by_second(messages: int, limits: PaceLimits) -> float:
    if not limits.per_second:
        return 0.0
    return max(0.0, messages - max(1.0, limits.per_second)) / limits.per_second


def _by_hour(messages: int, limits: PaceLimits) -> float:
    if not limits.per_hour:
        return 0.0
    return max(0.0, messages - hour_burst(limits.per_hour)) / hour_rate(limits.per_hour)


def _by_day(messages: int, limits: PaceLimits) -> float:
    """Return the whole days that pass before the last message may go; the first days may be those of a warm-up."""
    days, left = 0, messages
    while True:
        allowed = limits.warm_up[days] if days < len(limits.warm_up) else limits.per_day
        if limits.per_day is not None and allowed is not None:
            allowed = min(allowed, limits.per_day)
        if allowed is None or left <= allowed:
            return days * _DAY
        if allowed <= 0 and days >= len(limits.warm_up):
            return math.inf
        left -= allowed
        days += 1
