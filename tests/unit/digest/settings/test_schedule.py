"""[schedule] as people get it wrong: each error names the key and what to write."""

from datetime import date
from pathlib import Path

import pytest

from digest.runtime.errors import ConfigError
from digest.settings.root import Settings, load_settings

HEAD = '[publication]\nname = "P"\nsender_address = "p@example.org"\n'
SECRETS = '[secrets]\nlink_keys = ["0123456789abcdef"]\nsuppression_key = "0123456789abcdef"\nmessage_key = "m"\n'


def load(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "digest.toml").write_text(HEAD + text)
    (tmp_path / "secrets.toml").write_text(SECRETS)
    return load_settings(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ('timezone = "Asia/Soul"', "publication.timezone", "unknown time zone"),
        ('[schedule]\nrule = "31"', "schedule.rule", "31 or last day"),
        ('[schedule]\nrule = "31 feb"', "schedule.rule", "not a valid rule"),
        ("[schedule]\nclosed = [2026-02-31]", "digest.toml", "not valid TOML"),
        ('[schedule]\nclosed = ["2026-02-31"]', "schedule.closed", "date"),
        ('[schedule]\nrule = "last working day"', "schedule.holidays", "country"),
        ('[schedule]\non_free_day = "next"', "schedule.on_free_day", "country"),
        ('[schedule]\nholidays = "-BY"', "schedule.holidays", "no country is set"),
        ('[schedule]\nholidays = "Korea"', "schedule.holidays", "two-letter country code"),
        ('[schedule]\nholidays = "DE-XX"', "schedule.holidays", "regions: BB"),
        ('[schedule]\ntime = "24:00"', "schedule.time", "hour"),
        ('[schedule]\ntime = "9:00"', "schedule.time", "pattern"),
        ('[schedule]\nassemble_before = "7"', "schedule.assemble_before", "not a duration"),
        ('[schedule]\nassemble_before = "40d"', "schedule.assemble_before", "at most 27 days"),
        ('[schedule]\nremind_before = ["soon"]', "schedule.remind_before", "not a duration"),
        ('[schedule]\nmax_lateness = "a week"', "schedule.max_lateness", "not a duration"),
        ('[schedule]\nlate = "never"', "schedule.late", "send"),
        ("[schedule]\ntakeover = 0", "schedule.takeover", "greater"),
        ('[schedule]\nholyday = "KR"', "schedule.holyday", "did you mean 'holidays'"),
        ('[delivery]\ncanary = "a few"', "delivery.canary", "1 % or 50"),
        ('[delivery]\ncanary_max_rejected = "5"', "delivery.canary_max_rejected", "percentage"),
        ('[delivery]\ncanary_wait = "long"', "delivery.canary_wait", "not a duration"),
    ],
)
def test_an_error_names_the_key_and_what_to_write(tmp_path: Path, text: str, key: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert key in caught.value.message
    assert told in caught.value.message
    assert "digest.toml" in caught.value.message + caught.value.hint


def test_a_whole_calendar_is_accepted(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        'timezone = "Asia/Seoul"\n[schedule]\nrule = "last working day"\nholidays = "KR"\nclosed = [2026-12-24]\n'
        'on_free_day = "previous"\nassemble_before = "10d"\nremind_before = ["2d", "12h", "2d"]\nlate = "ask"\n'
        '[delivery]\ncanary = "0.5 %"\n',
    )
    schedule = settings.schedule
    assert (schedule.rule, schedule.holidays, schedule.on_free_day) == ("last working day", "KR", "previous")
    assert schedule.closed == (date(2026, 12, 24),)
    assert schedule.remind_before == ("2d", "12h"), "the longest first, each once"
    assert (schedule.assemble_before, schedule.late, settings.delivery.canary) == ("10d", "ask", "0.5 %")
