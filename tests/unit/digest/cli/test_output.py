"""What a person reads and what a program reads of the same thing."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from digest.cli.output import Output

MOMENT = datetime(2021, 9, 30, 0, 0, 5, tzinfo=UTC)


def test_a_table_tells_local_time_once_the_zone_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.table(["at"], [[MOMENT]])
    assert "2021-09-30 00:00:05+00:00" in capsys.readouterr().out
    out.zone = ZoneInfo("Asia/Seoul")
    out.table(["at"], [[MOMENT]])
    assert "2021-09-30 09:00:05+09:00" in capsys.readouterr().out
    assert out.local(MOMENT) == "2021-09-30 09:00:05+09:00"


def test_json_tells_utc_whatever_the_zone(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.zone = ZoneInfo("Asia/Seoul")
    out.emit({"at": MOMENT}, lambda: None)
    assert '"2021-09-30T00:00:05+00:00"' in capsys.readouterr().out


def test_nothing_in_a_table_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["name"], [["Ada\x1b[31m\u202e [red]"]])
    assert "Ada�[31m� [red]" in capsys.readouterr().out
