"""A clock that is set forward stops runs until a person says that it is right; one that is put back does no harm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.schedule.clock_watch import ClockSample, ClockWatch, look, moved

START = ClockSample(datetime(2026, 11, 1, 9, tzinfo=UTC), 1000.0, "boot-1")


def later(earlier: ClockSample, real: timedelta, jump: timedelta = timedelta(0)) -> ClockSample:
    """So much later by what nobody can set, and by the wall clock so much more."""
    return replace(earlier, wall=earlier.wall + real + jump, since_boot=earlier.since_boot + real.total_seconds())


class Hands:
    """The clocks of a machine, set by the test."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> ClockSample:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def watch(tmp_path: Path, sqlite_engine: Engine, hands: Hands) -> ClockWatch:
    made = ClockWatch(tmp_path / "state" / "clock.json", sqlite_engine, hands)
    assert made.objection() == ""
    return made


@pytest.mark.parametrize(
    ("real", "jump", "believed"),
    [
        (timedelta(minutes=5), timedelta(0), True),
        (timedelta(days=40), timedelta(0), True),  # nobody looked for so long
        (timedelta(minutes=5), timedelta(minutes=10), True),
        (timedelta(minutes=5), timedelta(days=31), False),
        (timedelta(minutes=5), timedelta(hours=2), False),
        (timedelta(minutes=5), -timedelta(days=1), True),
    ],
)
def test_a_clock_is_believed_unless_it_was_set_forward(
    watch: ClockWatch, hands: Hands, real: timedelta, jump: timedelta, believed: bool
) -> None:
    hands.now = later(START, real, jump)
    assert (watch.objection() == "") is believed


def test_it_stays_disbelieved_until_it_is_right_or_said_to_be(watch: ClockWatch, hands: Hands) -> None:
    month = timedelta(days=31)
    for minutes in (5, 10, 600):
        hands.now = later(START, timedelta(minutes=minutes), month)
        assert "31 days" in watch.objection()
    hands.now = later(START, timedelta(minutes=700))
    assert watch.objection() == ""
    hands.now = later(START, timedelta(minutes=705), month)
    assert watch.objection()
    watch.believe()
    hands.now = later(START, timedelta(minutes=710), month)
    assert watch.objection() == ""


def test_after_a_start_of_the_machine_nothing_is_known(watch: ClockWatch, hands: Hands) -> None:
    hands.now = ClockSample(START.wall + timedelta(days=31), 10.0, "boot-2")
    assert watch.objection() == ""
    assert moved(START, hands.now) == timedelta(0)
    assert moved(None, START) == timedelta(0)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"wall": 1, "since_boot": "x", "boot": 2}', "\udcff"])
def test_a_file_that_is_not_ours_is_as_none(tmp_path: Path, sqlite_engine: Engine, hands: Hands, text: str) -> None:
    (tmp_path / "clock.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert ClockWatch(tmp_path / "clock.json", sqlite_engine, hands).objection() == ""


def test_another_machines_database_clock_is_a_witness(tmp_path: Path, engine: Engine) -> None:
    here = look()
    on_postgres = engine.dialect.name == "postgresql"
    for apart in (timedelta(minutes=10), timedelta(days=30), -timedelta(days=30)):
        hands = Hands()
        hands.now = replace(here, wall=here.wall + apart)
        objection = ClockWatch(tmp_path / f"{apart.days}.json", engine, hands).objection()
        assert bool(objection) == (on_postgres and abs(apart) > timedelta(hours=1))
