"""When the month's run is due. APScheduler is the alarm clock; `issue_run` (digest.runs) is the truth."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from digest.issues.period import Period
from digest.runtime.errors import ConfigError
from digest.runtime.settings import Schedule, Settings

_NTH = re.compile(r"(1st|2nd|3rd|4th|5th|last) (mon|tue|wed|thu|fri|sat|sun)")
_DURATION = re.compile(r"(\d+)\s*([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One run of the calendar: the period it publishes, when it is due, and why on that day."""

    period: Period
    due_at: datetime
    reason: str


def trigger_of(schedule: Schedule, zone: ZoneInfo) -> CronTrigger:
    """Return APScheduler's trigger for the rule: `last day`, a day of the month (1-31), `2nd tue` or `last fri`."""
    at = time.fromisoformat(schedule.time)
    return CronTrigger(day=_day_field(schedule.rule), hour=at.hour, minute=at.minute, timezone=zone)


def _day_field(rule: str) -> str:
    text = " ".join(rule.lower().split())
    if text == "last day":
        return "last"
    if _NTH.fullmatch(text):
        return text
    if text.isdigit() and 1 <= int(text) <= 28:
        return text
    if text.isdigit() and 29 <= int(text) <= 31:
        raise ConfigError(
            f"[schedule] rule = {rule!r}: not every month has that day", hint='Use "last day", or 1 to 28.'
        )
    raise ConfigError(
        f"[schedule] rule = {rule!r} is not understood", hint='Use "last day", "15", "2nd tue" or "last fri".'
    )


def occurrences(settings: Settings, after: datetime) -> Iterator[Occurrence]:
    """Yield the runs due after `after`, in order, for ever; one per period, whatever daylight saving does."""
    zone = settings.publication.zone
    trigger = trigger_of(settings.schedule, zone)
    cursor, last_period = after, None
    while True:
        fire = trigger.get_next_fire_time(None, cursor + timedelta(microseconds=1))
        if fire is None:
            return
        cursor = fire
        period = _period_published(settings.schedule, Period.of(fire, zone))
        if period == last_period:  # an hour that happens twice in autumn is one run
            continue
        last_period = period
        yield Occurrence(period, fire, f"{settings.schedule.rule}, {settings.schedule.time} {zone.key}")


def _period_published(schedule: Schedule, month: Period) -> Period:
    return month if schedule.period == "current" else month.previous


def issue_date(settings: Settings, period: Period) -> date:
    """Return the date of the issue for `period`: the day its run is due."""
    zone = settings.publication.zone
    month = period if settings.schedule.period == "current" else period.next
    start = datetime.combine(month.first, time(), zone)
    fire = trigger_of(settings.schedule, zone).get_next_fire_time(None, start)
    return fire.astimezone(zone).date() if fire and fire.astimezone(zone).date() in month else month.last


def duration(text: str) -> timedelta:
    """Read a duration such as 30m, 12h or 7d."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"{text!r} is not a duration", hint="Write 30m, 12h or 7d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
