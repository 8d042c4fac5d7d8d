"""Fifty years of the calendar, in zones with every kind of oddity: one run for each period, on its local day and time."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.calendar.local_time import exists, instant_of
from digest.calendar.rules import parse
from digest.calendar.working_days import CalendarError
from digest.issues.period import Period
from digest.schedule.occurrences import Occurrence, begun, issue_date, occurrence, occurrences, steps_before
from digest.settings.root import Settings

ZONES = [
    "Asia/Seoul",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Pacific/Apia",  # had no 30 December 2011
    "America/Sao_Paulo",  # its clocks changed at midnight
    "UTC",
]
EVERY_ZONE = sorted(
    name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix", "right"))
)
RULES = [
    "last day",
    "1",
    "28",
    "29 or last day",
    "30 or last day",
    "31 or last day",
    "2nd tue",
    "last fri",
    "1st sun",
    "4th sat",
]
WORKING = ["last working day", "first working day", "10th working day"]
TIMES = ["00:00", "00:30", "01:30", "02:00", "02:15", "02:30", "09:00", "23:30", "23:59"]
HOLIDAYS = ["KR", "US", "DE-BY", "BR", "AU", "SA", "none"]
FIRST, MONTHS = Period(1990, 1), 50 * 12


def configured(zone: str, **schedule: object) -> Settings:
    return Settings(
        publication={"name": "P", "sender_address": "p@example.org", "timezone": zone},
        schedule=schedule,
        secrets={"link_keys": ["k"], "suppression_key": "s", "message_key": "m"},
    )


schedules = st.one_of(
    st.fixed_dictionaries({"rule": st.sampled_from(RULES), "time": st.sampled_from(TIMES)}),
    st.fixed_dictionaries(
        {
            "rule": st.sampled_from(RULES + WORKING),
            "time": st.sampled_from(TIMES),
            "holidays": st.sampled_from(HOLIDAYS),
            "on_free_day": st.sampled_from(["keep", "previous", "next"]),
            "period": st.sampled_from(["current", "previous"]),
            "closed": st.lists(st.dates(date(1990, 1, 1), date(2040, 1, 1)), max_size=20).map(tuple),
        }
    ),
)


def fifty_years(configuration: Settings) -> list[Occurrence]:
    zone = configuration.publication.zone
    since = datetime.combine(FIRST.first, datetime.min.time(), zone).astimezone(UTC) - timedelta(days=40)
    return list(islice(occurrences(configuration, since), MONTHS))


def check(configuration: Settings, due: Sequence[Occurrence]) -> None:
    """One run for each period, in order, on the day and at the time that were promised."""
    zone, at = configuration.publication.zone, configuration.schedule.at
    for earlier, later in pairwise(due):
        assert later.period == earlier.period.next
        assert later.due_at > earlier.due_at
    for entry in due:
        local = entry.due_at.astimezone(zone)
        month = entry.period if configuration.schedule.period == "current" else entry.period.next
        chosen = configuration.schedule.day_of(month.first, zone)
        assert local.date() == chosen.day == issue_date(configuration, entry.period)
        assert exists(chosen.day, zone)
        if chosen.day in month:  # else it was moved over the month's end, from a day that is free
            assert (
                configuration.schedule.on_free_day == "keep"
                or not configuration.schedule.working.why_free(chosen.day)
                or "no working day is near" in entry.reason
                or parse(configuration.schedule.rule).weekday is not None
            )
        else:
            assert configuration.schedule.on_free_day != "keep"
        if (local.hour, local.minute) != (at.hour, at.minute):
            assert _left_out(chosen.day, entry.due_at, configuration)
        assert local.fold == 0 or _left_out(chosen.day, entry.due_at, configuration)
        assert [step.at for step in entry.steps] == sorted(step.at for step in entry.steps)
        assert entry.steps[-1].at == entry.due_at
        lead = entry.due_at - entry.begins_at
        assert timedelta(days=5) < lead < timedelta(days=9)  # seven local days, give or take a day that was left out


def _left_out(day: date, due_at: datetime, configuration: Settings) -> bool:
    """Whether the promised local time is one that the clocks jumped over, near which the run is."""
    zone, at = configuration.publication.zone, configuration.schedule.at
    wanted = datetime.combine(day, at, zone)
    jumped = wanted.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wanted.replace(tzinfo=None)
    return jumped and abs(due_at.astimezone(zone).replace(tzinfo=None) - wanted.replace(tzinfo=None)) <= timedelta(
        hours=2
    )


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ZONES), schedules)
def test_fifty_years_have_one_run_for_each_period(zone: str, schedule: dict[str, object]) -> None:
    configuration = configured(zone, **schedule)
    check(configuration, fifty_years(configuration))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_holds_in_every_zone_with_oddities(zone: str, rule: str) -> None:
    for at in ("00:00", "02:15"):
        configuration = configured(zone, rule=rule, time=at)
        due = fifty_years(configuration)
        assert len({entry.period for entry in due}) == MONTHS
        check(configuration, due)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(EVERY_ZONE),
    st.dates(date(1975, 1, 1), date(2037, 12, 31)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_an_instant_lies_on_its_local_day_in_every_zone_there_is(zone: str, day: date, at: object) -> None:
    place = ZoneInfo(zone)
    if exists(day, place):
        assert instant_of(day, at, place).date() == day  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(ZONES),
    schedules,
    st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    st.lists(st.floats(0.01, 45), min_size=5, max_size=60),
    st.randoms(use_true_random=False),
)
def test_the_forecast_is_what_then_happens(zone, schedule, installed, gaps, rng) -> None:  # type: ignore[no-untyped-def]
    """Looks at a simulated clock, now and then by several hosts whose clocks are ten minutes apart."""
    configuration = configured(zone, **schedule)
    forecast = {str(entry.period): entry for entry in islice(occurrences(configuration, installed), 200)}
    claimed: dict[str, Occurrence] = {}
    now = installed
    for gap in gaps:
        now += timedelta(days=gap)
        for host in range(rng.randint(1, 3)):
            seen = now + timedelta(minutes=rng.choice([-10, 0, 10])) * (host > 0)
            for entry in begun(configuration, installed, seen, claimed):
                assert str(entry.period) not in claimed
                assert entry.begins_at <= seen
                claimed[str(entry.period)] = entry
    promised = {period for period, entry in forecast.items() if entry.begins_at <= now - timedelta(minutes=10)}
    assert promised <= claimed.keys()
    assert {period: forecast[period] for period in claimed} == claimed


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(ZONES), schedules, st.integers(0, MONTHS))
def test_a_period_asked_for_alone_is_the_one_of_the_forecast(
    zone: str, schedule: dict[str, object], place: int
) -> None:
    configuration = configured(zone, **schedule)
    period = Period(1990 + place // 12, place % 12 + 1)
    alone = occurrence(configuration, period)
    assert next(occurrences(configuration, alone.due_at - timedelta(seconds=1))) == alone
    assert steps_before(configuration, alone.due_at) == alone.steps


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_an_error_that_says_what_to_write(text: str) -> None:
    with suppress(CalendarError):
        parse(text)
        return
    with pytest.raises(CalendarError, match="Use "):
        parse(text)
