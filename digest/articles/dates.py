"""Parsing of article dates: a day, a month, or a range of them. Pure."""

import calendar
import re
from datetime import date

DATE_HINT = "Write a day as 2021-09-17, a month as 2021-09, or a range as 2021-05-30/2021-05-31."

# [0-9]: \d would also take the digits of other scripts.
_TIME = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}[0-9:.]*(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?$")
_POINT = re.compile(r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?")


def without_time(text: str) -> str:
    """Return a date without the time of day behind it, which other programs write."""
    return _TIME.sub("", text)


def parse_day(text: str) -> date:
    """Return the day that `YYYY-MM-DD` names. Raises ValueError."""
    found = _POINT.fullmatch(text)
    if found is None or found[3] is None:
        raise ValueError(text)
    return date(int(found[1]), int(found[2]), int(found[3]))


def parse_span(text: str) -> tuple[date, date | None]:
    """Return the first and the last day of a date; the last is None for a single day. Raises ValueError."""
    first, slash, last = (part.strip() for part in text.partition("/"))
    starts_on, month_ends = _parse_point(first)
    if not slash:
        return starts_on, month_ends
    ends_first, ends_last = _parse_point(last)
    ends_on = ends_last or ends_first
    if ends_on < starts_on:
        raise ValueError(text)
    return starts_on, ends_on


def _parse_point(text: str) -> tuple[date, date | None]:
    found = _POINT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    if found[3] is not None:
        return parse_day(text), None
    first = date(int(found[1]), int(found[2]), 1)
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])
