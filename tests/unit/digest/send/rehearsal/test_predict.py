"""How long a send takes by what bounds it: each limit alone, and the slowest of all."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.delivery.pace import Gauge, PaceLimits, allowance, spend
from digest.send.rehearsal.predict import Plan, RelayShare, predict

DAY = 86400


def seconds(messages: int, limits: PaceLimits, *, per_second: float = 1000.0) -> float:
    plan = Plan({"others": messages}, {}, [RelayShare("relay", limits)])
    return predict(plan, per_second=per_second, build_seconds=0).seconds


@pytest.mark.parametrize(
    ("messages", "limits", "expected"),
    [
        (5000, PaceLimits(), 5),
        (1010, PaceLimits(per_second=10), 100),
        (1000, PaceLimits(per_hour=1000), 3600),
        (100, PaceLimits(per_hour=1000), 0.1),
        (2500, PaceLimits(per_day=1000), 2 * DAY),
        (1000, PaceLimits(per_day=1000), 1),
        (160, PaceLimits(warm_up=(50, 100)), 2 * DAY),
        (160, PaceLimits(per_day=60, warm_up=(50, 100)), 2 * DAY),
        (5, PaceLimits(warm_up=(0, 10)), DAY),
    ],
)
def test_a_limit_makes_it_take_so_long(messages: int, limits: PaceLimits, expected: float) -> None:
    assert seconds(messages, limits) == pytest.approx(expected, rel=0.01)


def test_the_slowest_bound_counts_and_a_canary_comes_before_all() -> None:
    limits = {"google": PaceLimits(per_second=1)}
    plan = Plan(
        {"google": 101, "others": 900},
        limits,
        [RelayShare("a", PaceLimits(per_second=10)), RelayShare("b", PaceLimits())],
    )
    told = predict(plan, per_second=100, build_seconds=3)
    assert told.seconds == pytest.approx(103, abs=0.5)
    assert told.bounds[0].what == "mailboxes of google"
    waited = Plan(plan.families, {}, [], timedelta(hours=3), timedelta(minutes=30))
    assert predict(waited, per_second=100, build_seconds=0).seconds == 3.5 * 3600


@settings(deadline=None)
@given(st.integers(1, 400), st.floats(0.5, 50))
def test_it_is_what_the_gauge_of_a_send_allows(messages: int, per_second: float) -> None:
    """Against the pace that workers keep, message by message."""
    limits, gauge, now = PaceLimits(per_second=per_second), Gauge(), datetime(2026, 1, 1, tzinfo=UTC)
    start = now
    for _ in range(messages):
        allowed = allowance(gauge, limits, now)
        if not allowed.count:
            assert allowed.again_at is not None
            now = max(allowed.again_at, now + timedelta(microseconds=1))
        gauge = spend(gauge, limits, 1, now)
    took = (now - start).total_seconds()
    assert took == pytest.approx(seconds(messages, limits, per_second=1e9), abs=2 / per_second)
