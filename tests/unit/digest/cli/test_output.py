"""What a person reads and what a program reads of the same thing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from digest.cli.output import PAGE, Output

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


def entries(count: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {"cursor": f"c{number}", "id": number, "at": MOMENT}


@pytest.mark.parametrize("count", [0, 1, 2_500])
def test_a_long_list_is_one_array_or_a_line_each(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [{"id": number, "at": MOMENT.isoformat()} for number in range(count)]
    Output(as_json=True).listing(["id"], entries(count), lambda: count, "digest list")
    assert json.loads(capsys.readouterr().out) == expected
    Output().listing(["id"], entries(count), lambda: count, "digest list", lines=True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == expected


@pytest.mark.parametrize(("count", "shown", "more"), [(0, 0, False), (PAGE, PAGE, False), (PAGE + 1, PAGE, True)])
def test_a_table_ends_with_the_next_page(
    count: int, shown: int, more: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    Output().listing(["id"], entries(count), lambda: 1_234_567, "digest list 21")
    printed = capsys.readouterr().out
    assert sum(line.strip().isdecimal() for line in printed.splitlines()) == shown
    assert ("100 of 1,234,567 shown. Next page: digest list 21 --after c99" in printed) is more


@pytest.mark.parametrize("count", [0, 1, 2_500])
def test_an_iterator_within_a_document_is_an_array(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [{"id": number, "at": MOMENT.isoformat()} for number in range(count)]
    data = {"first": entries(count), "between": "\u2028", "lists": [{"second": entries(1)}], "last": None}
    Output(as_json=True).emit(data, lambda: None)
    last = [{"second": [{"id": 0, "at": MOMENT.isoformat()}]}]
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"first": expected, "between": "\u2028", "lists": last, "last": None}
    assert printed.endswith("}\n")


def test_a_list_is_printed_while_it_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> Iterator[dict[str, object]]:
        yield from entries(1_000)
        raise OSError("the database went away")

    with pytest.raises(OSError, match="went away"):
        Output(as_json=True).listing(["id"], failing(), lambda: 0, "digest list")
    assert len(capsys.readouterr().out.splitlines()) == 1_001
