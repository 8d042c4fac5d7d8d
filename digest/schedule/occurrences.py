"""Due dates of the runs: the calendar's rules applied to the publication's settings. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from digest.calendar.local_time import instant_of
from digest.issues.period import Period
from digest.runtime.clock import duration
from digest.settings.root import Settings


class PlannedStep(StrEnum):
    """The steps of a run that have a time."""

    ASSEMBLE = "assemble"
    REMIND = "remind"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of a run with its due time."""

    step: PlannedStep
    at: datetime


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One run of the calendar: its period, its due time and why then; the last of `steps` is `send`, at `due_at`."""

    period: Period
    due_at: datetime
    reason: str
    steps: tuple[Planned, ...]

    @property
    def begins_at(self) -> datetime:
        return self.steps[0].at

    @property
    def reminders(self) -> tuple[datetime, ...]:
        """When editors are reminded if the issue is not approved."""
        return tuple(planned.at for planned in self.steps if planned.step is PlannedStep.REMIND)


def occurrence(settings: Settings, period: Period) -> Occurrence:
    """Return the run that publishes `period`."""
    schedule, zone = settings.schedule, settings.publication.zone
    month = period if schedule.period == "current" else period.next
    chosen = schedule.day_of(month.first, zone)
    due_at = instant_of(chosen.day, schedule.at, zone)
    return Occurrence(period, due_at, f"{chosen.why}, {schedule.time} {zone.key}", steps_before(settings, due_at))


def steps_before(settings: Settings, due_at: datetime) -> tuple[Planned, ...]:
    """Return the steps of a run that sends at `due_at`, in the order of time."""
    schedule = settings.schedule
    assemble = Planned(PlannedStep.ASSEMBLE, _before(settings, due_at, schedule.assemble_before))
    reminders = [Planned(PlannedStep.REMIND, _before(settings, due_at, lead)) for lead in schedule.remind_before]
    # a reminder needs an issue
    later = sorted((one for one in reminders if assemble.at < one.at < due_at), key=lambda one: one.at)
    return (assemble, *later, Planned(PlannedStep.SEND, due_at))


def _before(settings: Settings, due_at: datetime, lead: str) -> datetime:
    """Return the instant `lead` before; whole days keep the local time across daylight saving."""
    length, zone = duration(lead), settings.publication.zone
    if length % timedelta(days=1):
        return (due_at.astimezone(UTC) - length).astimezone(zone)
    local = due_at.astimezone(zone)
    return min(instant_of(local.date() - length, settings.schedule.at, zone), due_at)


def occurrences(settings: Settings, after: datetime) -> Iterator[Occurrence]:
    """Yield the runs due after `after`, in order, without end; one for each period."""
    # the day may have been put off into the month before or after its own
    month = Period.of(after, settings.publication.zone).previous
    while True:
        period = month if settings.schedule.period == "current" else month.previous
        entry = occurrence(settings, period)
        if entry.due_at > after:
            yield entry
        month = month.next


def begun(settings: Settings, since: datetime, now: datetime, known: Collection[str]) -> Iterator[Occurrence]:
    """Yield the runs that begin by `now` and are due after `since`, without those whose period is in `known`."""
    for entry in takewhile(lambda entry: entry.begins_at <= now, occurrences(settings, since)):
        if str(entry.period) not in known:
            yield entry


def period_at(settings: Settings, now: datetime) -> Period:
    """Return the period that an issue assembled `now` is for."""
    month = Period.of(now, settings.publication.zone)
    return month if settings.schedule.period == "current" else month.previous


def issue_date(settings: Settings, period: Period) -> date:
    """Return the date of the issue for `period`: the day its run is due."""
    return occurrence(settings, period).due_at.astimezone(settings.publication.zone).date()
