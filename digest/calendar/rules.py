"""Recurrence rules that name one day of each month: `last day`, `2nd tue`, `last working day`. Pure."""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from digest.calendar.local_time import exists
from digest.calendar.working_days import CalendarError, WorkingDays

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FORMS = '"last day", "15", "30 or last day", "2nd tue", "last fri", "last working day" or "2nd working day"'
MOST_SHIFT = timedelta(days=14)
"""The limit of a shift, so that the days of two months can neither meet nor change places."""
MOST_WORKING = 15
_NUMBERS = {"first": 1, "1st": 1, "2nd": 2, "3rd": 3, **{f"{n}th": n for n in range(4, MOST_WORKING + 1)}, "last": -1}
_NTH = re.compile(rf"({'|'.join(_NUMBERS)}) ({'|'.join(WEEKDAYS)}|working day)")
_NUMBER = re.compile(r"\d{1,2}", re.ASCII)
_OR_LAST = re.compile(r"(\d{1,2}) or last day", re.ASCII)

Shift = Literal["keep", "previous", "next"]


class Rule(Protocol):
    """Names one day of every month. `weekday` is the weekday in the rule, 0 for Monday, None if it has none."""

    @property
    def weekday(self) -> int | None: ...

    def day(self, days: Sequence[date], working: WorkingDays) -> date:
        """Return the day among those of a month, of which there are at least 27."""


@dataclass(frozen=True, slots=True)
class DayOfMonth:
    """A day by its number; in a month without it, the last."""

    number: int
    weekday: int | None = None

    def day(self, days: Sequence[date], working: WorkingDays) -> date:  # noqa: ARG002
        return next((day for day in days if day.day == self.number), days[-1])


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """The first, second … or last (-1) Tuesday, or other weekday."""

    nth: int
    weekday: int | None

    def day(self, days: Sequence[date], working: WorkingDays) -> date:  # noqa: ARG002
        return _nth([day for day in days if day.weekday() == self.weekday], self.nth)


@dataclass(frozen=True, slots=True)
class NthWorkingDay:
    """The first, second … or last (-1) working day."""

    nth: int
    weekday: int | None = None

    def day(self, days: Sequence[date], working: WorkingDays) -> date:
        """Return the day; in a month with fewer working days the last of them, without any the last of all days."""
        return _nth([day for day in days if not working.why_free(day)] or days, self.nth)


def _nth(days: Sequence[date], nth: int) -> date:
    return days[-1] if nth < 0 or nth > len(days) else days[nth - 1]


def parse(text: str) -> Rule:
    """Parse a rule; raise CalendarError for an unknown one, or one that some month does not have."""
    words = " ".join(text.lower().split())
    if words == "last day":
        return DayOfMonth(31)
    if match := _OR_LAST.fullmatch(words):
        return _numbered(text, int(match[1]), most=31)
    if _NUMBER.fullmatch(words):
        return _numbered(text, int(words), most=28)
    match = _NTH.fullmatch(words)
    if match is None:
        message = f"{text[:60]!r} is not a valid rule. Use {FORMS}."
        raise CalendarError(message)
    nth = _NUMBERS[match[1]]
    if match[2] == "working day":
        return NthWorkingDay(nth)
    if nth > 4:
        message = f'{text!r}: not every month has that day. Use "last {match[2]}" or "4th {match[2]}".'
        raise CalendarError(message)
    return NthWeekday(nth, WEEKDAYS.index(match[2]))


def _numbered(text: str, number: int, most: int) -> DayOfMonth:
    if 1 <= number <= most:
        return DayOfMonth(number)
    if 29 <= number <= 31:
        message = f'{text!r}: not every month has that day. Use "{number} or last day".'
    else:
        message = f"{text[:60]!r}: no month has that day. Use {FORMS}."
    raise CalendarError(message)


@dataclass(frozen=True, slots=True)
class ChosenDay:
    """The day of a month that a rule names, and why."""

    day: date
    why: str


def choose(text: str, shift: Shift, first: date, zone: ZoneInfo, working: WorkingDays) -> ChosenDay:
    """Return the day that the rule `text` names in the month that begins on `first`.

    `shift` moves a free day to a working day, possibly in the month before or after. Days that the zone skipped do not
    count.
    """
    last = calendar.monthrange(first.year, first.month)[1]
    days = [day for number in range(1, last + 1) if exists(day := first.replace(day=number), zone)]
    rule = parse(text)
    day = rule.day(days, working)
    # a rule that names a Saturday means one; only a holiday can be in its way
    free = working.why_free(day, also_weekends=rule.weekday is None)
    if shift == "keep" or not free:
        return ChosenDay(day, text)
    moved = _moved(day, -1 if shift == "previous" else 1, zone, working)
    if moved is None:
        return ChosenDay(day, f"{text}; {day:%a %d %b} is {free}, and no working day is near")
    return ChosenDay(moved, f"{text}; {day:%a %d %b} is {free}: the {shift} working day")


def _moved(day: date, step: int, zone: ZoneInfo, working: WorkingDays) -> date | None:
    candidates = (day + timedelta(days=step * distance) for distance in range(1, MOST_SHIFT.days + 1))
    return next((one for one in candidates if exists(one, zone) and not working.why_free(one)), None)
