from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.retry import GIVE_UP_AFTER, next_try, pause

NOW = datetime(2021, 9, 30, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 240), (8, 240), (10**9, 240)]
)
def test_the_pause_doubles_up_to_four_hours(attempts: int, minutes: int) -> None:
    assert pause(attempts, 0) == minutes * MINUTE


def test_jitter_adds_up_to_a_half() -> None:
    assert pause(1, 1) == 7.5 * MINUTE
    assert pause(2, 0.5) == 12.5 * MINUTE


@pytest.mark.parametrize("enhanced", ["4.7.28", "5.7.28"])
def test_a_throttling_gmail_is_left_alone_for_ten_minutes(enhanced: str) -> None:
    assert pause(1, 0, enhanced=enhanced) == 10 * MINUTE
    assert pause(5, 0, enhanced=enhanced) == 80 * MINUTE


def test_a_delivery_expires_after_three_days() -> None:
    last = NOW + GIVE_UP_AFTER - 5 * MINUTE
    assert next_try(1, last, NOW, 0) == NOW + timedelta(days=3)
    assert next_try(1, last + timedelta(seconds=1), NOW, 0) is None


@given(st.integers(1, 100), st.floats(0, 1))
def test_the_next_try_is_always_later_and_within_bounds(attempts: int, jitter: float) -> None:
    due = next_try(attempts, NOW, NOW, jitter)
    assert due is not None
    assert NOW + 5 * MINUTE <= due <= NOW + timedelta(hours=6)


@pytest.mark.parametrize(("attempts", "jitter"), [(0, 0), (-1, 0), (1, -0.1), (1, 1.1), (1, float("nan"))])
def test_nonsense_is_an_error(attempts: int, jitter: float) -> None:
    with pytest.raises(ValueError, match="attempts"):
        pause(attempts, jitter)
