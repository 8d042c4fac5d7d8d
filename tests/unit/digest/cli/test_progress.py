"""What whoever watches a run reads: every number in words, and a display that costs the worker nothing."""

import io
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from digest.cli.progress import (
    STOPPING,
    MessageRate,
    Watch,
    clock_time,
    counted,
    headline,
    lasting,
    left,
    rate,
    report,
    rows,
    wait_lines,
    waiting,
)
from digest.delivery.worker.progress import DeliveryProgress, ScopeWait
from digest.outbox.states import State

NOON = datetime(2021, 9, 30, 12, tzinfo=UTC)
SEOUL = timezone(timedelta(hours=9))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tally_of(**states: int) -> DeliveryProgress:
    return DeliveryProgress(states=Counter(states))


def test_counts_name_what_happened_and_always_what_was_accepted() -> None:
    assert counted({"accepted": 1812, "uncertain": 1, "deferred": 2, "rejected": 0}) == (
        "1,812 accepted, 2 deferred, 1 uncertain"
    )
    assert counted({}, skipped=3) == "0 accepted, 3 skipped"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-1, "0 s"), (12.4, "12 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (1e7, "2,777 h 46 min")],
)
def test_a_time_is_told_in_the_units_that_matter(seconds: float, told: str) -> None:
    assert lasting(seconds) == told


def test_a_rate_is_told_as_exactly_as_it_matters() -> None:
    assert [rate(value) for value in (0, 0.44, 9.96, 1425.4)] == ["0.0/s", "0.4/s", "10.0/s", "1,425/s"]


def test_the_rate_now_forgets_what_the_average_remembers() -> None:
    speed = MessageRate()
    for second in range(101):
        speed.sample(second, 100 * min(second, 50))
    assert speed.now == 0
    assert speed.average == 50


def test_a_speed_starts_anew_with_the_next_run() -> None:
    speed = MessageRate()
    for moment, done in ((0, 0), (1, 100), (2, 0), (3, 10)):
        speed.sample(moment, done)
    assert (speed.now, speed.average) == (10, 10)


def test_without_a_sample_or_in_no_time_there_is_no_rate() -> None:
    speed = MessageRate()
    assert (speed.now, speed.average) == (0, 0)
    speed.sample(5, 10)
    speed.sample(5, 20)
    assert (speed.now, speed.average) == (0, 0)


def test_the_time_left_is_told_only_when_it_can_be() -> None:
    speed = MessageRate()
    assert left(100, 0, speed, waits=False) == ""
    speed.sample(0, 0)
    speed.sample(1, 10)
    assert left(None, 10, speed, waits=False) == ""
    assert left(10, 10, speed, waits=False) == ""
    assert left(100, 10, speed, waits=False) == "about 9 s left"
    assert left(100, 10, speed, waits=True) == "at least 9 s left"


def test_an_instant_has_its_date_when_it_is_not_today() -> None:
    assert clock_time(NOON + timedelta(hours=1), NOON, SEOUL) == "22:00"
    assert clock_time(NOON + timedelta(hours=4), NOON, SEOUL) == "2021-10-01 01:00"


@pytest.mark.parametrize(
    ("scope", "subject"),
    [("family:google", "google"), ("relay:mx.example.org:25", "relay mx.example.org:25"), ("domain:x.org", "x.org")],
)
def test_a_wait_says_who_until_when_and_why(scope: str, subject: str) -> None:
    told = waiting(ScopeWait(scope, NOON, "their server asked for a pause"), NOON, UTC)
    assert told == f"{subject} waits until 12:00: their server asked for a pause"


def test_of_many_waits_the_first_are_told_and_the_others_counted() -> None:
    waits = [ScopeWait(f"domain:d{number}.org", NOON, "why") for number in range(300)]
    told = wait_lines(waits, NOON, UTC)
    assert len(told) == 9
    assert told[-1] == "292 more waiting"


def test_of_several_groups_the_largest_is_told_first() -> None:
    assert rows("to", {"google": {"accepted": 5}}) == []
    assert rows("to", {"": {"accepted": 5}, "google": {"accepted": 9, "deferred": 1}}) == [
        "to google  9 accepted, 1 deferred",
        "to others  5 accepted",
    ]
    many = rows("to", {f"f{number:02}": {"accepted": 1} for number in range(20)})
    assert len(many) == 9
    assert many[-1].split() == ["to", "12", "more", "12", "accepted"]


def test_a_headline_adds_what_was_skipped_to_what_is_done() -> None:
    tally = tally_of(accepted=10, deferred=5)
    tally.skipped = 2
    assert headline(tally, 100, MessageRate()) == (
        "12 of 100 done: 10 accepted, 5 deferred, 2 skipped; 0.0/s now, 0.0/s on average"
    )


def test_a_report_has_relays_families_waits_and_the_wish_to_stop() -> None:
    tally = DeliveryProgress(waits=[ScopeWait("family:google", NOON, "why")])
    tally.count(State.ACCEPTED, "a:25", "google")
    tally.count(State.DEFERRED, "b:25", "")
    tally.stopping = True
    assert report(tally, None, MessageRate(), NOON, UTC)[2:] == [
        "  by a:25  1 accepted",
        "  by b:25  0 accepted, 1 deferred",
        "  to google  1 accepted",
        "  to others  0 accepted, 1 deferred",
        "  google waits until 12:00: why",
        STOPPING,
    ]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_so()


def test_a_log_gets_whole_lines_and_is_told_of_stopping_at_once() -> None:
    stream = io.StringIO()
    with Watch(10, every=0.3, stream=stream, clock=lambda: NOON) as watch:
        tally = tally_of(accepted=4)
        watch(tally)
        wait_until(lambda: stream.getvalue().count("4 of 10 done: 4 accepted;") >= 2)
        tally.stopping = True
        wait_until(lambda: STOPPING in stream.getvalue())
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue().count(STOPPING) == 1
    assert "\x1b" not in stream.getvalue()


def test_a_short_run_leaves_no_line_in_a_log() -> None:
    stream = io.StringIO()
    with Watch(10, stream=stream) as watch:
        watch(tally_of(accepted=10))
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_live_display_that_is_gone_afterwards() -> None:
    stream = Terminal()
    with Watch(10, stream=stream, clock=lambda: NOON) as watch:
        watch(tally_of(accepted=4, rejected=1))
        wait_until(lambda: "4 accepted, 1 rejected" in stream.getvalue())
        assert any(line.startswith("5 of 10 done") for line in stream.getvalue().splitlines())
    assert stream.getvalue().endswith("\x1b[2K") or "\x1b[2K" in stream.getvalue()


def deliver_four_of_seven(watch: Watch) -> None:
    watch.step("2021-09", "deliver")
    watch.expect(7)
    watch(tally_of(accepted=4))


def test_a_months_run_names_its_steps_and_counts_each_on_its_own() -> None:
    stream = Terminal()
    with Watch(None, stream=stream, clock=lambda: NOON) as watch:
        watch.step("2021-09", "freeze")
        wait_until(lambda: "2021-09: freeze ..." in stream.getvalue())
        deliver_four_of_seven(watch)
        wait_until(lambda: "4 of 7 done" in stream.getvalue())
        watch.step("2021-09", "report")
        seen = len(stream.getvalue())
        wait_until(lambda: "2021-09: report ..." in stream.getvalue()[seen:])


def test_a_log_says_which_step_lasts() -> None:
    stream = io.StringIO()
    with Watch(None, every=0.3, stream=stream, clock=lambda: NOON) as watch:
        watch.step("2021-09", "freeze")
        wait_until(lambda: "2021-09: freeze ...\n" in stream.getvalue())
        deliver_four_of_seven(watch)
        wait_until(lambda: "2021-09: deliver: 4 of 7 done" in stream.getvalue())


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_silence_is_silent_and_starts_no_thread(stream: io.StringIO) -> None:
    before = threading.active_count()
    with Watch(10, silent=True, every=0, stream=stream) as watch:
        watch(tally_of(accepted=10))
        assert threading.active_count() == before
    assert stream.getvalue() == ""


def test_a_log_that_goes_away_does_not_end_the_run() -> None:
    class Broken(io.StringIO):
        tried = 0

        def write(self, _text: str) -> int:
            self.tried += 1
            raise BrokenPipeError

    stream = Broken()
    with Watch(10, every=0, stream=stream) as watch:
        watch(tally_of(accepted=1))
        time.sleep(0.6)
    assert stream.tried  # it was written to, and that was no reason to end


def test_what_is_drawn_may_change_meanwhile() -> None:
    """The display's thread copies while the worker counts: never an error, and no count lost."""
    tally, over, errors = DeliveryProgress(), threading.Event(), []

    def look() -> None:
        while not over.is_set():
            try:
                copy = tally.copy()
                assert sum(counts.total() for counts in copy.families.values()) >= 0
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(30_000):
        tally.count(State.ACCEPTED, f"relay{number % 50}", f"family{number}")
    over.set()
    thread.join()
    assert errors == []
    assert tally.copy().states == {"accepted": 30_000}
