"""The rules that name a day, month by month, as a publisher reads them in a calendar."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from digest.calendar.local_time import exists, instant_of
from digest.calendar.rules import Shift, choose, parse
from digest.calendar.working_days import CalendarError, working_days

SEOUL = ZoneInfo("Asia/Seoul")


def day(
    rule: str,
    year: int,
    month: int,
    *,
    holidays: str = "none",
    shift: Shift = "keep",
    closed: tuple[date, ...] = (),
    zone: ZoneInfo = SEOUL,
) -> str:
    working = working_days(holidays, closed)
    return choose(rule, shift, date(year, month, 1), zone, working).day.isoformat()


@pytest.mark.parametrize(
    ("rule", "month", "expected"),
    [
        ("last day", (2024, 2), "2024-02-29"),
        ("Last  Day", (2023, 2), "2023-02-28"),
        ("15", (2026, 11), "2026-11-15"),
        ("30 or last day", (2026, 2), "2026-02-28"),
        ("30 or last day", (2026, 1), "2026-01-30"),
        ("31 or last day", (2026, 4), "2026-04-30"),
        ("2nd tue", (2026, 12), "2026-12-08"),
        ("first mon", (2026, 6), "2026-06-01"),
        ("last fri", (2026, 11), "2026-11-27"),
        ("last working day", (2026, 10), "2026-10-30"),
        ("first working day", (2026, 11), "2026-11-02"),
        ("3rd working day", (2026, 11), "2026-11-04"),
    ],
)
def test_a_rule_names_its_day(rule: str, month: tuple[int, int], expected: str) -> None:
    assert day(rule, *month) == expected


def test_the_publishers_holidays_are_no_working_days() -> None:
    # in Korea the Lunar New Year of 2026 fell on 17 February, and the days around it are free
    assert day("10th working day", 2026, 2) == "2026-02-13"
    assert day("11th working day", 2026, 2, holidays="none") == "2026-02-16"
    assert day("11th working day", 2026, 2, holidays="KR") == "2026-02-19"
    # All Saints' Day is one in Bavaria, not in all of Germany
    assert day("first working day", 2027, 11, holidays="DE") == "2027-11-01"
    assert day("first working day", 2027, 11, holidays="DE-BY") == "2027-11-02"
    assert day("last working day", 2026, 12, closed=(date(2026, 12, 31), date(2026, 12, 30))) == "2026-12-29"


def test_a_weekend_is_that_of_the_country() -> None:
    assert day("first working day", 2027, 1, holidays="SA") == "2027-01-03"  # 1 and 2 January: Friday and Saturday
    assert day("first working day", 2027, 1, holidays="none") == "2027-01-01"


def test_a_free_day_may_be_moved_either_way_over_the_months_end() -> None:
    assert day("1", 2027, 1, holidays="KR", shift="next") == "2027-01-04"  # New Year, then a weekend
    assert day("1", 2027, 1, holidays="KR", shift="previous") == "2026-12-31"
    assert day("last day", 2027, 1, holidays="KR", shift="next") == "2027-02-01"
    assert day("last day", 2027, 1, holidays="KR", shift="keep") == "2027-01-31"


def test_who_names_a_saturday_means_it() -> None:
    assert day("2nd sat", 2026, 11, holidays="none", shift="next") == "2026-11-14"
    assert day("2nd sat", 2026, 11, shift="next", closed=(date(2026, 11, 14),)) == "2026-11-16"


def test_a_month_in_which_nobody_works_still_has_its_day() -> None:
    august = tuple(date(2026, 8, number) for number in range(1, 32))
    assert day("last working day", 2026, 8, closed=august) == "2026-08-31"
    assert day("5", 2026, 8, closed=august, shift="next") == "2026-08-05"  # 26 days off are too far


def test_a_day_that_the_zone_left_out_is_no_day_of_its_month() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert not exists(date(2011, 12, 30), apia)
    assert day("last fri", 2011, 12, zone=apia) == "2011-12-23"
    assert day("30 or last day", 2011, 12, zone=apia) == "2011-12-31"
    assert day("last working day", 2011, 12, zone=apia) == "2011-12-29"


@pytest.mark.parametrize(
    "rule",
    [
        "31",
        "30",
        "29",
        "0",
        "32 or last day",
        "0 or last day",
        "6th mon",
        "5th mon",
        "",
        "every day",
        "last",
        "31 feb",
        "²",
        "16th working day",
        "last working",
        "1" * 5000,
    ],
)
def test_a_rule_some_month_cannot_keep_is_refused_with_another(rule: str) -> None:
    with pytest.raises(CalendarError, match="Use "):
        parse(rule)


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T03:30:00-04:00"),  # left out
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T01:30:00-04:00"),  # twice: the first
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:45:00+11:00"),  # half an hour
        ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T01:00:00-02:00"),  # midnight itself
        ("America/Scoresbysund", "2024-03-31T00:30", "2024-03-31T00:30:00-01:00"),
    ],
)
def test_a_local_time_that_is_left_out_or_comes_twice(zone: str, local: str, expected: str) -> None:
    wanted = datetime.fromisoformat(local)
    assert instant_of(wanted.date(), wanted.time(), ZoneInfo(zone)).isoformat() == expected


def test_the_promised_day_holds_when_the_clock_jumps_at_midnight() -> None:
    nuuk = ZoneInfo("America/Nuuk")  # 23:00 on the Saturday is 00:00 on the Sunday since 2024
    moment = instant_of(date(2026, 3, 28), time(23, 30), nuuk)
    assert moment.date() == date(2026, 3, 28)
    assert moment.astimezone(UTC).tzinfo is UTC
