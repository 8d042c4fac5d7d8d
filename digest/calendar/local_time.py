"""Conversion of local times to instants across daylight saving. Pure."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant of `at` on `day` in `zone`.

    An ambiguous time is the first one. A skipped time is as much later as was skipped (02:30 is 03:30; RFC 5545
    section 3.3.5), or earlier if that would be another day.
    """
    local = datetime.combine(day, at, zone)
    moment = local.astimezone(UTC).astimezone(zone)
    if moment.date() != day:
        moment = local.replace(fold=1).astimezone(UTC).astimezone(zone)
    return moment


def exists(day: date, zone: ZoneInfo) -> bool:
    """Return whether `zone` has this day: Samoa had no 30 December 2011."""
    return datetime.combine(day, time(12), zone).astimezone(UTC).astimezone(zone).date() == day
