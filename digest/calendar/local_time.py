"""A local day and time as an instant, across daylight saving. Pure."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant that `at` on `day` is in `zone`.

    An hour that comes twice counts the first time. One that is left out comes as much later as was left out (02:30 is
    03:30), as RFC 5545 section 3.3.5 has it; unless that would be another day: then as much earlier.
    """
    local = datetime.combine(day, at, zone)
    moment = local.astimezone(UTC).astimezone(zone)
    if moment.date() != day:
        moment = local.replace(fold=1).astimezone(UTC).astimezone(zone)
    return moment


def exists(day: date, zone: ZoneInfo) -> bool:
    """Return whether there is such a day in `zone`: Samoa had no 30 December 2011."""
    return datetime.combine(day, time(12), zone).astimezone(UTC).astimezone(zone).date() == day
