"""Prediction of a send's duration from measured throughput and the rate limits of relays and mailboxes. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from digest.delivery.pace import PaceLimits, hour_burst, hour_rate

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class RelayShare:
    """A relay's limits, and its weight in the distribution of the mail."""

    name: str
    limits: PaceLimits
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A send's volume and limits: `families` has the messages by mailbox provider, `limits` the providers' limits."""

    families: Mapping[str, int]
    limits: Mapping[str, PaceLimits]
    routes: Sequence[RelayShare]
    window: timedelta = timedelta(0)
    canary_wait: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound of a send's duration, in seconds."""

    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """A send's duration in seconds, and its lower bounds, the tightest first."""

    seconds: float
    bounds: tuple[Bound, ...]


def predict(plan: Plan, *, per_second: float, build_seconds: float) -> Prediction:
    """Return the duration at a throughput of `per_second` messages, after `build_seconds` of building.

    The bounds apply in parallel, so that the slowest counts; a canary's wait comes before all else.
    """
    messages = sum(plan.families.values())
    bounds = [Bound("composing mails on this machine", messages / per_second if per_second > 0 else math.inf)]
    weights = sum(route.weight for route in plan.routes)
    for route in plan.routes:
        share = math.ceil(messages * route.weight / weights)
        bounds.append(Bound(f"relay {route.name}", _seconds(share, route.limits)))
    for family, count in plan.families.items():
        bounds.append(Bound(f"mailboxes of {family}", _seconds(count, plan.limits.get(family, PaceLimits()))))
    if plan.window:
        bounds.append(Bound("[delivery] window", plan.window.total_seconds()))
    relevant = sorted((bound for bound in bounds if bound.seconds > 0), key=lambda bound: -bound.seconds)
    slowest = relevant[0].seconds if relevant else 0.0
    return Prediction(build_seconds + plan.canary_wait.total_seconds() + slowest, tuple(relevant))


def _seconds(messages: int, limits: PaceLimits) -> float:
    """Return the seconds that so many messages take by the limits alone."""
    seconds = _by_day(messages, limits)
    if limits.per_second:
        seconds = max(seconds, (messages - max(1.0, limits.per_second)) / limits.per_second)
    if limits.per_hour:
        seconds = max(seconds, (messages - hour_burst(limits.per_hour)) / hour_rate(limits.per_hour))
    return seconds


def _by_day(messages: int, limits: PaceLimits) -> float:
    """Return the seconds of the whole days that pass before the last message may go, warm-up included."""
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
