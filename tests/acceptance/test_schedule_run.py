"""The resident scheduler and cron's tick do the same; both stop cleanly, and doubling them changes nothing."""

import signal

import pytest

from tests.support.world import WAIT_SECONDS, World, wait_until


def test_the_scheduler_catches_up_at_start_and_stops_on_sigterm(sample: World) -> None:
    sample.set_now("2021-09-29T12:00:00+09:00")
    sample.digest("tick")
    sample.set_now("2021-09-30T10:00:00+09:00")  # an hour late, within max_lateness
    both = [sample.start("schedule", "run") for _ in range(2)]
    for process in both:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).startswith("Next: 2021-10"):
            assert line, "it ended"
    wait_until(lambda: _states(sample) == ["waiting"])
    for process in both:
        process.send_signal(signal.SIGTERM)
    told = [process.communicate(timeout=WAIT_SECONDS) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    sample.digest("tick", expect=1)  # what was stopped between two steps goes on
    [run] = sample.json("schedule", "history")
    assert (run["period"], run["state"], run["step"]) == ("2021-09", "waiting", "approve")
    assert [issue["period"] for issue in sample.json("issue", "list")] == ["2021-09"]


def _states(sample: World) -> list[str]:
    return [run["state"] for run in sample.json("schedule", "history")]


@pytest.mark.one_database
def test_too_late_is_missed_and_told_by_the_doctor(sample: World) -> None:
    sample.set_now("2021-09-29T12:00:00+09:00")
    sample.digest("tick")
    sample.set_now("2021-10-20T09:00:00+09:00")
    [told] = sample.json("tick", expect=1)
    assert (told["period"], told["state"]) == ("2021-09", "missed")
    assert [issue["state"] for issue in sample.json("issue", "list")] == ["draft"]
    found = sample.json("doctor", expect=1)["findings"]
    assert "run-missed" in {finding["id"] for finding in found}
    assert sample.json("tick") == []  # told once, not each time
