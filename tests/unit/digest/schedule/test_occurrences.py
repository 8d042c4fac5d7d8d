from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from digest.issues.period import Period
from digest.runtime.clock import duration
from digest.runtime.errors import ConfigError
from digest.schedule.occurrences import issue_date, occurrences
from digest.settings.root import Settings


def configured(zone: str, rule: str = "last day", at: str = "09:00", period: str = "current") -> Settings:
    return Settings(
        publication={"name": "P", "sender_address": "p@example.org", "timezone": zone},
        schedule={"rule": rule, "time": at, "period": period},
        secrets={"link_keys": ["k"], "suppression_key": "s", "message_key": "m"},
    )


def test_the_last_day_is_the_months_end_in_the_publishers_zone() -> None:
    due = list(islice(occurrences(configured("Asia/Seoul"), datetime(2024, 1, 1, tzinfo=UTC)), 3))
    assert [str(entry.period) for entry in due] == ["2024-01", "2024-02", "2024-03"]
    assert due[1].due_at.isoformat() == "2024-02-29T09:00:00+09:00"


def test_an_hour_that_happens_twice_is_one_run() -> None:
    fold = configured("America/New_York", rule="1st sun", at="01:30")
    due = list(islice(occurrences(fold, datetime(2026, 10, 20, tzinfo=UTC)), 2))
    assert [str(entry.period) for entry in due] == ["2026-11", "2026-12"]


def test_an_hour_that_does_not_happen_still_has_its_run() -> None:
    gap = configured("America/New_York", rule="2nd sun", at="02:30")
    due = next(occurrences(gap, datetime(2026, 3, 1, tzinfo=UTC)))
    assert due.due_at.astimezone(ZoneInfo("America/New_York")).date().isoformat() == "2026-03-08"


def test_a_digest_of_the_previous_month_bears_the_day_of_sending() -> None:
    configuration = configured("UTC", rule="5", period="previous")
    due = next(occurrences(configuration, datetime(2021, 10, 1, tzinfo=UTC)))
    assert due.period == Period(2021, 9)
    assert issue_date(configuration, due.period).isoformat() == "2021-10-05"


def test_durations_are_read_strictly() -> None:
    assert duration("7d") == timedelta(days=7)
    with pytest.raises(ConfigError):
        duration("7 fortnights")
