"""Working days by country holidays (library `holidays`), weekends and the publisher's closed days. Pure."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache

NONE = "none"
"""The code of a calendar without holidays: only weekends are free."""
_WEEKEND = frozenset({5, 6})
_ENGLISH = "en_US"


class CalendarError(ValueError):
    """The calendar's rule or code is invalid; the message says why, and what to write."""


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Weekends, holidays and closed days. `holiday` returns the name of a day's holiday, empty for none."""

    weekend: frozenset[int] = _WEEKEND
    holiday: Callable[[date], str] = lambda _day: ""
    closed: Collection[date] = field(default_factory=frozenset)

    def why_free(self, day: date, *, also_weekends: bool = True) -> str:
        """Return why `day` is no working day; empty if it is one."""
        if name := self.holiday(day):
            return name
        if day in self.closed:
            return "closed"
        return "a weekend" if also_weekends and day.weekday() in self.weekend else ""


def working_days(code: str, closed: Collection[date] = ()) -> WorkingDays:
    """Return the calendar that `code` names (KR, DE-BY, none); raise CalendarError."""
    days = frozenset(closed)
    if code.lower() == NONE:
        return WorkingDays(closed=days)
    country, _, part = code.partition("-")
    return replace(_country(country.upper(), part), closed=days)


@lru_cache(maxsize=8)
def _country(country: str, part: str) -> WorkingDays:
    import holidays  # noqa: PLC0415 - takes a tenth of a second, and few commands need it

    known: Mapping[str, list[str]] = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        hint = 'Write a two-letter country code (KR), with a region if needed (DE-BY), or "none".'
        message = f"there is no holiday calendar of {country!r}. {hint}" if country else f"no country is set. {hint}"
        raise CalendarError(message)
    if part and part not in known[country]:
        parts = ", ".join(known[country]) or "none"
        message = f"{country} has no region {part!r} with its own holidays; regions: {parts}"
        raise CalendarError(message)
    english = _ENGLISH if _ENGLISH in holidays.country_holidays(country).supported_languages else None
    found = holidays.country_holidays(country, subdiv=part or None, language=english)
    return WorkingDays(frozenset(found.weekend), lambda day: str(found.get(day) or ""))
