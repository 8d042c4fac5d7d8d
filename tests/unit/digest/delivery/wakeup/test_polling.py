"""When to look and when to work: neither spinning nor sleeping through."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.wakeup.event import Wakeup
from digest.delivery.wakeup.polling import AT_MOST_EVERY, LOOK_AFTER_THE_DEAD, Outlook

NOW = datetime(2021, 9, 30, tzinfo=UTC)
seconds = st.floats(-1e6, 1e6)


@given(seconds, st.floats(AT_MOST_EVERY, 60), st.booleans())
def test_a_pause_is_never_under_a_second_nor_longer_than_asked(due: float, longest: float, started: bool) -> None:
    outlook = Outlook(NOW + timedelta(seconds=due), started)
    assert AT_MOST_EVERY <= outlook.pause(NOW, longest) <= longest


@given(seconds, st.floats(AT_MOST_EVERY, 60))
def test_a_pause_ends_within_a_second_of_the_mail_being_due(due: float, longest: float) -> None:
    pause = Outlook(NOW + timedelta(seconds=due), started=False).pause(NOW, longest)
    assert pause <= max(due, 0) + AT_MOST_EVERY


@pytest.mark.parametrize(
    ("due", "started", "idle", "works"),
    [
        (None, False, 1e9, False),
        (0, False, 0, True),
        (-1, False, 0, True),
        (1, False, 1e9, False),
        (None, True, LOOK_AFTER_THE_DEAD - 1, False),
        (None, True, LOOK_AFTER_THE_DEAD, True),
    ],
)
def test_there_is_work_when_mail_is_due_or_a_worker_may_be_dead(
    due: float | None, started: bool, idle: float, works: bool
) -> None:
    due_at = None if due is None else NOW + timedelta(seconds=due)
    assert Outlook(due_at, started).wants_work(NOW, idle) is works


def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Wakeup()
    for _ in range(3):
        bell.ring()
    bell.wait(1e6)  # returns at once, and answers all three
    assert not bell.stopping


def test_a_bell_that_was_stopped_keeps_nobody_waiting() -> None:
    bell = Wakeup()
    bell.stop()
    for _ in range(3):
        bell.wait(1e6)
    assert bell.stopping
