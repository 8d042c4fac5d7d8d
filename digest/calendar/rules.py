"""The rules that name a day of each month, as a publisher says them: `last day`, `2nd tue`, `last working day`.

Pure.
"""

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
"""A day is not put off further than this, so that two months' days can neither meet nor change places."""
MOST_WORKING = 15
_NUMBERS = {"first": 1, "1st": 1, "2nd": 2, "3rd": 3, **{f"{n}th": n for n in range(4, MOST_WORKING + 1)}, "last": -1}
_NTH = re.compile(rf"({'|'.join(_NUMBERS)}) ({'|'.join(WEEKDAYS)}|working day)")
_NUMBER = re.compile(r"\d{1,2}", re.ASCII)
_OR_LAST = re.compile(r"(\d{1,2}) or last day", re.ASCII)

Shift = Literal["keep", "previous", "next"]


class Rule(Protocol):
    """Names one day of every month. `weekday` is that by which it does, if it does."""

    @property
    def weekday(self) -> int | None:
        """The day of the week that the rule names, 0 for Monday."""

    def day(self, days: Sequence[date], working: WorkingDays) -> date:
        """Return the day among those of a month, of which there are at least 27."""


@dataclass(frozen=True, slots=True)
class DayOfMonth:
    """A day by its number; in a month that does not have it, the last."""

    number: int
    weekday: int | None = None

    def day(self, days: Sequence[date], working: WorkingDays) -> date:  # noqa: ARG002
        """Return the day."""
        return next((day for day in days if day.day == self.number), days[-1])


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """The first, second … or last (-1) Tuesday."""

    nth: int
    weekday: int | None

    def day(self, days: Sequence[date], working: WorkingDays) -> date:  # noqa: ARG002
        """Return the day."""
        return _nth([day for day in days if day.weekday() == self.weekday], self.nth)


@dataclass(frozen=True, slots=True)
class NthWorkingDay:
    """The first, second … or last (-1) day on which the publisher works."""

    nth: int
    weekday: int | None = None

    def day(self, days: Sequence[date], working: WorkingDays) -> date:
        """Return the day; of a month in which nobody works so many days, the last one of those or of all."""
        return _nth([day for day in days if not working.why_free(day)] or days, self.nth)


def _nth(days: Sequence[date], nth: int) -> date:
    return days[-1] if nth < 0 or nth > len(days) else days[nth - 1]


def parse(text: str) -> Rule:
    """Read a rule; raise CalendarError for one that is not understood, or that some month cannot keep."""
    words = " ".join(text.lower().split())
    if words == "last day":
        return DayOfMonth(31)
    if match := _OR_LAST.fullmatch(words):
        return _numbered(text, int(match[1]), most=31)
    if _NUMBER.fullmatch(words):
        return _numbered(text, int(words), most=28)
    match = _NTH.fullmatch(words)
    if match is None:
        message = f"{text[:60]!r} is not understood. Write {FORMS}."
        raise CalendarError(message)
    nth = _NUMBERS[match[1]]
    if match[2] == "working day":
        return NthWorkingDay(nth)
    if nth > 4:
        message = f'{text!r}: not every month has that day. Write "last {match[2]}", or "4th {match[2]}".'
        raise CalendarError(message)
    return NthWeekday(nth, WEEKDAYS.index(match[2]))


def _numbered(text: str, number: int, most: int) -> DayOfMonth:
    if 1 <= number <= most:
        return DayOfMonth(number)
    if 29 <= number <= 31:
        message = f'{text!r}: not every month has that day. Write "{number} or last day".'
    else:
        message = f"{text[:60]!r}: no month has that day. Write {FORMS}."
    raise CalendarError(message)


@dataclass(frozen=True, slots=True)
class ChosenDay:
    """The day of a month, and why it is that one."""

    day: date
    why: str


def choose(text: str, shift: Shift, first: date, zone: ZoneInfo, working: WorkingDays) -> ChosenDay:
    """Return the day that the rule `text` names of the month that begins on `first`.

    `shift` moves it from a free day to a working day, which may lead into the month before or after. A day that the
    zone left out is no day of its month.
    """
    last = calendar.monthrange(first.year, first.month)[1]
    days = [day for number in range(1, last + 1) if exists(day := first.replace(day=number), zone)]
    rule = parse(text)
    day = rule.day(days, working)
    # who names a Saturday means one; only a holiday can be in its way
    free = working.why_free(day, also_weekends=rule.weekday is None)
    if shift == "keep" or not free:
        return ChosenDay(day, text)
    moved = _moved(day, -1 if shift == "previous" else 1, zone, working)
    if moved is None:
        return ChosenDay(day, f"{text}; {day:%a %d %b} is {free}, and no working day is near")
    return ChosenDay(moved, f"{text}; {day:%a %d %b} is {free}: the {shift} working day")


def _moved(day: date, step: int, zone: ZoneInfo, working: WorkingDays) -> date | None:
    for distance in range(1, MOST_SHIFT.days + 1):
        candidate = day + timedelta(days=step * distance)
        if exists(candidate, zone) and not working.why_free(candidate):
            return candidate
    return None
