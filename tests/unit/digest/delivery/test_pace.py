"""Pace: limits hold over every span of time, a throttled server is left alone to the letter, and mail is spread evenly."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.mailbox_families import families
from digest.delivery.outcome import Outcome, Phase
from digest.delivery.pace import (
    UNLIMITED,
    Gauge,
    PaceLimits,
    allowance,
    hold,
    is_about_relay,
    spend,
    spread,
    throttle,
    welcome,
)
from digest.delivery.transport import Reply

NOON = datetime(2021, 9, 30, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def reply(
    code: int | None, enhanced: str | None, outcome: Outcome = Outcome.DEFERRED, phase: Phase = Phase.RCPT
) -> Reply:
    return Reply(outcome, code, enhanced, "", "relay", phase)


def test_without_limits_nothing_is_limited() -> None:
    assert allowance(Gauge(), PaceLimits(), NOON).count == UNLIMITED


@given(st.integers(1, 500), st.lists(st.tuples(st.integers(0, 900), st.integers(1, 60)), max_size=40))
def test_no_hour_has_more_than_the_limit_an_hour(per_hour: int, asks: list[tuple[int, int]]) -> None:
    limits, gauge, now = PaceLimits(per_hour=per_hour), Gauge(), NOON
    sent: list[datetime] = []
    for pause, wanted in asks:
        now += timedelta(seconds=pause)
        count = min(wanted, allowance(gauge, limits, now).count)
        if count:
            gauge = spend(gauge, limits, count, now)
            sent += [now] * count
    for start in sent:
        assert sum(start <= moment < start + HOUR for moment in sent) <= per_hour + 1e-9


@given(st.floats(0.1, 200), st.lists(st.tuples(st.floats(0, 3), st.integers(1, 60)), max_size=40))
def test_no_second_has_more_than_a_burst_and_the_limit(per_second: float, asks: list[tuple[float, int]]) -> None:
    limits, gauge, now = PaceLimits(per_second=per_second), Gauge(), NOON
    total = 0
    for pause, wanted in asks:
        now += timedelta(seconds=pause)
        count = min(wanted, allowance(gauge, limits, now).count)
        gauge = spend(gauge, limits, count, now) if count else gauge
        total += count
    assert total <= max(1.0, per_second) + per_second * (now - NOON).total_seconds() + 0.1


@given(st.floats(0.01, 100), st.integers(1, 200))
def test_who_comes_back_when_told_may_send(per_second: float, many: int) -> None:
    limits = PaceLimits(per_second=per_second)
    gauge = spend(Gauge(), limits, many, NOON)
    told = allowance(gauge, limits, NOON)
    if told.count == 0:
        assert told.again_at is not None
        assert allowance(gauge, limits, told.again_at).count >= 1


def test_a_warm_up_counts_by_day_and_then_the_daily_limit_holds() -> None:
    limits, gauge, now = PaceLimits(per_day=1_000, warm_up=(50, 200)), Gauge(), NOON
    assert allowance(gauge, limits, now).count == 50
    gauge = spend(gauge, limits, 50, now)
    told = allowance(gauge, limits, now)
    assert (told.count, told.again_at) == (0, datetime(2021, 10, 1, tzinfo=UTC))
    now += timedelta(days=1)
    assert allowance(gauge, limits, now).count == 200
    gauge = spend(gauge, limits, 150, now)
    assert allowance(gauge, limits, now).count == 50
    assert allowance(gauge, limits, now + timedelta(days=1)).count == 1_000
    assert gauge.first_day == date(2021, 9, 30)


@pytest.mark.parametrize(
    ("code", "enhanced", "pause"),
    [
        (421, "4.7.28", 10 * MINUTE),
        (450, "4.7.28", 10 * MINUTE),
        (421, "5.7.28", 10 * MINUTE),
        (421, None, MINUTE),
        (421, "4.3.2", MINUTE),
        (451, "4.7.0", MINUTE),
        (451, "4.7.1", MINUTE),
        (450, "4.2.1", None),  # about one mailbox
        (452, "4.2.2", None),
        (451, "4.3.0", None),
        (None, None, None),
    ],
)
def test_which_replies_ask_for_a_slower_pace(code: int | None, enhanced: str | None, pause: timedelta | None) -> None:
    assert throttle(reply(code, enhanced)) == pause


def test_a_rejection_says_nothing_about_the_pace() -> None:
    assert throttle(reply(550, "5.7.28", Outcome.REJECTED)) is None


def test_gmails_rule_to_the_letter() -> None:
    """Ten minutes of nothing, then one connection; if it fails ten more; if it works, one connection more each time."""
    limits = PaceLimits(connections=3)
    gauge = hold(Gauge(), 10 * MINUTE, NOON)
    assert allowance(gauge, limits, NOON + 10 * MINUTE - timedelta(seconds=1)).again_at == NOON + 10 * MINUTE
    now = NOON + 10 * MINUTE
    assert allowance(gauge, limits, now, under_way=0).count == 1
    assert allowance(gauge, limits, now, under_way=1).count == 0
    again = hold(gauge, 10 * MINUTE, now)
    assert allowance(again, limits, now + 9 * MINUTE).count == 0
    gauge = welcome(gauge, limits)
    assert allowance(gauge, limits, now).count == 2
    gauge = welcome(welcome(gauge, limits), limits)
    assert gauge.ramp is None
    assert allowance(gauge, limits, now).count == 3


def test_what_is_said_before_a_recipient_is_about_the_relay() -> None:
    assert is_about_relay(reply(421, "4.7.28", phase=Phase.MAIL))
    assert not is_about_relay(reply(421, "4.7.28", phase=Phase.RCPT))
    assert not is_about_relay(reply(421, "4.7.28", phase=Phase.DOT))


@given(st.integers(0, 100_000))
def test_a_spread_begins_at_once_and_stays_within_its_window(seconds: int) -> None:
    window = timedelta(seconds=seconds)
    due = spread(NOON, window)
    assert due[0] == NOON
    assert due == sorted(due)
    assert len(due) <= 1_000
    assert all(moment < NOON + window for moment in due[1:])


def test_families_are_known_and_can_be_added_to() -> None:
    known = families({"google": ("Firm.example",), "town": ("town.example", "outlook.com")})
    assert (known["gmail.com"], known["firm.example"]) == ("google", "google")
    assert (known["town.example"], known["outlook.com"]) == ("town", "town")
    assert "example.org" not in known


@pytest.mark.parametrize(
    "limits",
    [PaceLimits(per_second=2), PaceLimits(per_hour=100), PaceLimits(per_day=50), PaceLimits(warm_up=(5, 10, 20))],
)
def test_a_clock_that_was_put_back_stops_no_mail_for_long(limits: PaceLimits) -> None:
    gauge = spend(Gauge(), limits, allowance(Gauge(), limits, NOON).count, NOON)
    earlier = NOON - timedelta(days=400)
    allowed = allowance(gauge, limits, earlier)
    assert allowed.count > 0 or (allowed.again_at is not None and allowed.again_at <= earlier + timedelta(minutes=7))
    again = spend(gauge, limits, 1, earlier)
    assert allowance(again, limits, earlier + timedelta(minutes=7)).count > 0


def test_a_warm_up_starts_over_when_the_clock_was_put_back() -> None:
    gauge = spend(Gauge(), PaceLimits(warm_up=(5, 10)), 5, NOON)
    assert allowance(gauge, PaceLimits(warm_up=(5, 10)), NOON - timedelta(days=1)).count == 5


def test_a_hold_from_a_clock_that_was_put_back_is_none() -> None:
    gauge = hold(Gauge(), timedelta(minutes=10), NOON)
    assert allowance(gauge, PaceLimits(), NOON).count == 0
    assert allowance(gauge, PaceLimits(), NOON - timedelta(days=1)).count == 1
