"""Minutes become slots that suit them: equal ones until nearly all are accepted, then days; nothing is lost."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from digest.outbox.states import State
from digest.workspace.report.figures import slots

START = datetime(2021, 9, 30, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(1, 60), (20, 60), (90, 300), (300, 900), (1200, 3600), (6000, 21600), (60_000, 86_400)]
)
def test_slots_suit_the_length_of_a_send(minutes: int, seconds: int) -> None:
    counted = {
        START + timedelta(minutes=n): Counter({State.ACCEPTED: 2}) for n in range(0, minutes, 1 + minutes // 500)
    }
    found = slots(counted)
    assert found[0].seconds == seconds
    assert len(found) <= 45
    assert sum(slot.states[State.ACCEPTED] for slot in found) == 2 * len(counted)
    assert all(slot.at.second == 0 for slot in found)


def test_what_ends_weeks_later_does_not_stretch_the_rest() -> None:
    minutes = {START + timedelta(minutes=n): Counter({State.ACCEPTED: 100}) for n in range(10)}
    minutes[START + timedelta(days=20)] = Counter({State.REJECTED: 1})
    found = slots(minutes)
    assert [slot.seconds for slot in found] == [60] * 10 + [86_400]


def test_a_send_that_only_failed_has_slots_too() -> None:
    assert len(slots({START: Counter({State.REJECTED: 3})})) == 1
    assert slots({}) == []
