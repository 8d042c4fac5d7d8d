"""[schedule]."""

from datetime import date, timedelta
from datetime import time as time_of_day
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from digest.calendar import rules
from digest.calendar.working_days import NONE, CalendarError, WorkingDays, working_days
from digest.runtime.clock import duration, duration_text
from digest.settings.part import Duration, SettingsTable

LONGEST_LEAD = timedelta(days=27)


_CALENDAR = 'holidays: the country whose holidays count, such as "KR" or "DE-BY", or "none" for weekends only'


def _lead(value: str) -> str:
    if duration(duration_text(value)) > LONGEST_LEAD:
        message = f"{value!r} is too long: use at most {LONGEST_LEAD.days} days, else runs of two months would overlap"
        raise ValueError(message)
    return value


Lead = Annotated[str, AfterValidator(_lead)]


def _rule(value: str) -> str:
    rules.parse(value)
    return value


class Schedule(SettingsTable):
    """When the month's run happens."""

    rule: Annotated[str, AfterValidator(_rule)] = Field(
        default="last day",
        description="last day | DAY (1-28) | 30 or last day | 2nd tue | last fri | last working day | 2nd working day",
    )
    time: Annotated[str, Field(pattern=r"^\d{2}:\d{2}$")] = Field(
        default="09:00", description="local time, in [publication] timezone"
    )
    period: Literal["current", "previous"] = Field(
        default="current", description="whether an issue contains the articles of its own month or of the month before"
    )
    holidays: str = Field(
        default="",
        validate_default=True,
        description='whose holidays count: a country (KR), a region (DE-BY), or "none" for weekends only',
    )
    closed: tuple[date, ...] = Field(default=(), description="additional days without work, such as 2026-12-24")
    on_free_day: rules.Shift = Field(
        default="keep",
        validate_default=True,
        description="what to do if the date is not a working day: keep | previous | next (move to the working day "
        "before or after)",
    )
    assemble_before: Lead = Field(default="7d", description="how long before the send time an issue is assembled")
    remind_before: tuple[str, ...] = Field(
        default=("3d", "1d"), description="how long before the send time editors are reminded to approve"
    )
    max_lateness: Duration = Field(default="7d", description="how late a missed run may still start, such as 12h or 7d")
    late: Literal["send", "skip", "ask"] = Field(
        default="skip",
        description="what to do with a run that is later: send it, record it as missed, or wait for an operator",
    )
    catch_up: Literal["latest", "none"] = Field(
        default="latest", description="after several missed runs, make up for the latest one or for none"
    )
    takeover: float = Field(
        default=120,
        ge=1,
        le=86400,
        description="seconds without a heartbeat after which another process takes over a run",
    )

    @field_validator("time")
    @classmethod
    def _time(cls, value: str) -> str:
        time_of_day.fromisoformat(value)
        return value

    @field_validator("holidays")
    @classmethod
    def _holidays(cls, value: str, info: ValidationInfo) -> str:
        if value:
            working_days(value)
        elif "working day" in " ".join(str(info.data.get("rule", "")).lower().split()):
            message = f'rule = "{info.data["rule"]}" needs {_CALENDAR}'
            raise CalendarError(message)
        return value

    @field_validator("on_free_day")
    @classmethod
    def _shift(cls, value: str, info: ValidationInfo) -> str:
        if value != "keep" and not (info.data.get("holidays") or info.data.get("closed")):
            message = f'"{value}" needs {_CALENDAR}'
            raise CalendarError(message)
        return value

    @field_validator("remind_before")
    @classmethod
    def _remind(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({_lead(one) for one in value}, key=duration, reverse=True))

    @property
    def at(self) -> time_of_day:
        return time_of_day.fromisoformat(self.time)

    @property
    def working(self) -> WorkingDays:
        return working_days(self.holidays or NONE, self.closed)

    def day_of(self, first: date, zone: ZoneInfo) -> rules.ChosenDay:
        """Return the day of the run in the month that begins on `first`, and why."""
        return rules.choose(self.rule, self.on_free_day, first, zone, self.working)
