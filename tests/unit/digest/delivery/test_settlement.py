"""From replies to the ledger: each outcome has its state, and what is put off has its time or is given up."""

from datetime import datetime, timedelta

import pytest

from digest.delivery.outcome import Outcome
from digest.delivery.settlement import conclude
from digest.delivery.transport import Reply
from digest.outbox.states import State
from digest.outbox.tables import Promised
from digest.outbox.take import Started


def started(now: datetime, tries: int = 1) -> Started:
    return Started(Promised.DELIVERY, 7, "attempt", "relay", tries, now, now)


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (Outcome.ACCEPTED, State.ACCEPTED, ""),
        (Outcome.REJECTED, State.REJECTED, "mailbox unknown: no such user"),
        (Outcome.UNCERTAIN, State.UNCERTAIN, "mailbox unknown: no such user"),
    ],
)
def test_each_outcome_has_its_state(now: datetime, outcome: Outcome, state: State, reason: str) -> None:
    settlement = conclude(started(now), Reply(outcome, 550, "5.1.1", "no such user", "mx:25"), now, 0)
    assert (settlement.state, settlement.reason, settlement.due_at) == (state, reason, None)
    assert (settlement.code, settlement.enhanced, settlement.relay) == (550, "5.1.1", "mx:25")
    assert (settlement.id, settlement.attempt_id, settlement.outcome) == (7, "attempt", outcome.value)
    assert settlement.ended_at == now


def test_what_is_put_off_has_its_time(now: datetime) -> None:
    reply = Reply(Outcome.DEFERRED, 451, "4.3.0", "later", "mx:25")
    first = conclude(started(now), reply, now, 0)
    second = conclude(started(now, tries=2), reply, now, 0)
    assert (first.state, first.due_at) == (State.DEFERRED, now + timedelta(minutes=5))
    assert second.due_at == now + timedelta(minutes=10)


def test_what_was_put_off_for_three_days_has_expired(now: datetime) -> None:
    reply = Reply(Outcome.DEFERRED, 451, "4.3.0", "later", "mx:25")
    settlement = conclude(started(now, tries=20), reply, now + timedelta(days=3), 0)
    assert (settlement.state, settlement.outcome, settlement.due_at) == (State.EXPIRED, "deferred", None)
    assert settlement.reason


def test_what_was_not_sent_is_due_again_with_the_reason(now: datetime) -> None:
    settlement = conclude(started(now), Reply(Outcome.NOT_SENT, None, None, "stopped", ""), now, 0)
    assert (settlement.state, settlement.reason, settlement.due_at) == (State.PENDING, "stopped", None)
