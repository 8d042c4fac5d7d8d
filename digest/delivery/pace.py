"""Rate limiting by configured limits and by servers' throttling: how many messages may start now. Pure.

A *scope* is what is limited: a relay, a family of mailboxes, or a single domain. Its gauge is one row in the database,
so that limits survive a restart and hold for all workers together.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from digest.delivery.outcome import Phase, Reason
from digest.delivery.retry import THROTTLE_PAUSE, THROTTLE_STATUS
from digest.delivery.transport import Reply
from digest.outbox.states import Outcome

UNLIMITED = 1_000_000
_SECOND, _HOUR = timedelta(seconds=1), timedelta(hours=1)
# Of an hour's messages so many may go at once; with the rest spread evenly no hour ever has more than the limit.
_HOUR_BURST = 10

# A server that closes with 421 is busy, not angry: RFC 5321 section 3.8.
BUSY_PAUSE = timedelta(minutes=1)
_RAMP_ENDS = 10
_PART, _MOST_PARTS = timedelta(seconds=10), 1000


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """Limits of a scope. None is no limit; `warm_up` has the daily limits of its first days, in order."""

    connections: int | None = None
    per_second: float | None = None
    per_hour: int | None = None
    per_day: int | None = None
    warm_up: tuple[int, ...] = ()

    @property
    def counts(self) -> bool:
        return any((self.per_second, self.per_hour, self.per_day, self.warm_up))


@dataclass(frozen=True, slots=True)
class Gauge:
    """State of a scope: what was used of its limits, and its throttling."""

    second_at: datetime | None = None
    hour_at: datetime | None = None
    day: date | None = None
    today: int = 0
    first_day: date | None = None
    held_until: datetime | None = None
    ramp: int | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many more may start now; if none, when to ask again (None: after a reply), and why."""

    count: int
    again_at: datetime | None = None
    why: str = ""


def allowance(gauge: Gauge, limits: PaceLimits, now: datetime, under_way: int = 0) -> Allowance:
    """Return how many may start now, with `under_way` of this scope on the wire already.

    A limited connection carries one message at a time, so connections and messages under way are one number.
    """
    until = held_until(gauge, now)
    if until is not None:
        return Allowance(0, until, "their server asked for a pause")
    room = min([n - under_way for n in (limits.connections, gauge.ramp) if n is not None], default=UNLIMITED)
    if room <= 0:
        return Allowance(0)
    for _, rate, burst, used_until, why in _rates(gauge, limits, now):
        free = _free(rate, burst, used_until, now)
        if free < 1:
            return Allowance(0, (used_until or now) - timedelta(seconds=(burst - 1) / rate), why)
        room = min(room, math.floor(free))
    most_today = _most_today(gauge, limits, now)
    if most_today is not None:
        left = most_today - (gauge.today if gauge.day == _day(now) else 0)
        if left <= 0:
            return Allowance(0, _tomorrow(now), "the daily limit is reached")
        room = min(room, left)
    return Allowance(room)


def spend(gauge: Gauge, limits: PaceLimits, count: int, now: datetime) -> Gauge:
    """Return the gauge after `count` more messages were started."""
    today = _day(now)
    used: dict[str, Any] = {
        name: max(used_until or now, now) + timedelta(seconds=count / rate)
        for name, rate, _, used_until, _ in _rates(gauge, limits, now)
    }
    before = gauge.today if gauge.day == today else 0
    return replace(gauge, day=today, today=before + count, first_day=gauge.first_day or today, **used)


def spread(start: datetime, window: timedelta) -> list[datetime]:
    """Return when each equal part of an audience is due, spread over `window` from `start` on.

    A part every ten seconds is as even as a relay can tell, up to a thousand parts.
    """
    parts = max(1, min(_MOST_PARTS, int(window / _PART)))
    return [start + window * part / parts for part in range(parts)]


def throttle(reply: Reply) -> timedelta | None:
    """Return the pause that this reply asks for; None if it asks for none.

    A mailbox that gets too much (4.2.1) says nothing about its domain, and a rejection nothing about the rate.
    """
    if reply.outcome is not Outcome.DEFERRED or reply.code is None:
        return None
    if (reply.enhanced or "").endswith(THROTTLE_STATUS):
        return THROTTLE_PAUSE
    if reply.code == 421 or (reply.reason is Reason.THROTTLED and not (reply.enhanced or "").endswith(".2.1")):
        return BUSY_PAUSE
    return None


def held_until(gauge: Gauge, now: datetime) -> datetime | None:
    """Return until when a scope is paused, None if it is not; no longer than the longest pause."""
    until = gauge.held_until
    return until if until is not None and now < until <= now + THROTTLE_PAUSE else None


def is_about_relay(reply: Reply) -> bool:
    """Whether a reply is about us and the relay: before RCPT no recipient was named."""
    return reply.phase in {Phase.BEFORE, Phase.MAIL}


def hold(gauge: Gauge, pause: timedelta, now: datetime) -> Gauge:
    """Return the gauge after a throttling: paused, then one connection.

    Gmail's sender guidelines for 4.7.28: send nothing for at least ten minutes, then use one connection; if that fails
    wait ten more, if it works add connections one at a time.
    """
    until = now + pause
    return replace(gauge, held_until=max(until, gauge.held_until or until), ramp=1)


def welcome(gauge: Gauge, limits: PaceLimits) -> Gauge:
    """Return the gauge after an accepted message: one connection more, until the throttling is over."""
    if gauge.ramp is None:
        return gauge
    ramp = gauge.ramp + 1
    over = ramp > (limits.connections or _RAMP_ENDS)
    return replace(gauge, ramp=None if over else ramp, held_until=None if over else gauge.held_until)


def _rates(gauge: Gauge, limits: PaceLimits, now: datetime) -> list[tuple[str, float, float, datetime | None, str]]:
    """Return of each rate limit the gauge's field, messages a second, burst, arrival time, and why one waits."""
    rates = []
    if limits.per_second:
        burst = max(1.0, limits.per_second)
        rates.append(("second_at", limits.per_second, burst, gauge.second_at, "the limit per second is reached"))
    if limits.per_hour:
        rate, burst = hour_rate(limits.per_hour), hour_burst(limits.per_hour)
        rates.append(("hour_at", rate, burst, gauge.hour_at, "the hourly limit is reached"))
    return [(name, rate, burst, _plausible(until, rate, burst, now), why) for name, rate, burst, until, why in rates]


def hour_burst(per_hour: int) -> float:
    """Return how many of an hour's messages may go at once."""
    return max(1.0, per_hour / _HOUR_BURST)


def hour_rate(per_hour: int) -> float:
    """Return messages a second such that a burst and an hour of them do not exceed the limit."""
    return max(per_hour - hour_burst(per_hour), per_hour / 2) / _HOUR.total_seconds()


def _plausible(used_until: datetime | None, rate: float, burst: float, now: datetime) -> datetime | None:
    """Return the arrival time; None if it is too far ahead, which only a clock that was put back can cause."""
    farthest = now + _HOUR + 2 * timedelta(seconds=burst / rate)
    return used_until if used_until is not None and used_until <= farthest else None


def _free(rate: float, burst: float, used_until: datetime | None, now: datetime) -> float:
    """Return how many fit: generic cell rate algorithm, with `used_until` as theoretical arrival time."""
    ahead = max(timedelta(0), (used_until or now) - now).total_seconds()
    # an instant has microseconds; without the margin a whole message would round down to none
    return burst - ahead * rate + 1e-3


def _most_today(gauge: Gauge, limits: PaceLimits, now: datetime) -> int | None:
    # a first day that is to come is a clock that was put back: the warm-up begins anew
    day_number = max(0, (_day(now) - (gauge.first_day or _day(now))).days)
    if day_number < len(limits.warm_up):
        planned = limits.warm_up[day_number]
        return planned if limits.per_day is None else min(planned, limits.per_day)
    return limits.per_day


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _tomorrow(now: datetime) -> datetime:
    return datetime.combine(_day(now) + timedelta(days=1), datetime.min.time(), UTC)
