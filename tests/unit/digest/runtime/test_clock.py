"""The machine's clock: a suspended machine grows older, and says for how long it slept."""

import time

import pytest

from digest.runtime.clock import SystemClock

ENDS_AWAKE, ASLEEP = 1000.0, 135.0


def test_ages_count_the_time_that_the_machine_was_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(clock: int) -> float:
        return ENDS_AWAKE + (ASLEEP if clock == time.CLOCK_BOOTTIME else 0.0)

    monkeypatch.setattr(time, "clock_gettime", read)
    monkeypatch.setattr(time, "monotonic", lambda: ENDS_AWAKE)
    clock = SystemClock()
    assert (clock.monotonic(), clock.asleep()) == (ENDS_AWAKE + ASLEEP, ASLEEP)
