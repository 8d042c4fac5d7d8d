"""Notices: promised once by kind and key, and guarded by the person's state at the moment of the take."""

from typing import Any

import pytest

from digest.outbox.notices import TakenNotice, objection, promise, take_notices
from digest.outbox.settle import Settlement, settle
from digest.outbox.states import Outcome, State
from digest.outbox.store import next_notice_due
from digest.outbox.tables import NOTICE
from digest.outbox.take import Taker
from digest.runtime.db import session_scope
from subscribers import suppression
from subscribers.suppression import SuppressionReason
from tests.support.ledger import Ledger


def add(ledger: Ledger, kind: str, key: str = "k", **fields: Any) -> None:
    with session_scope(ledger.engine) as session:
        promise(session, kind, key, **{"address": "a@example.org", "language": "en", "now": ledger.now, **fields})


def take(ledger: Ledger) -> tuple[TakenNotice, ...]:
    with session_scope(ledger.engine) as session:
        return take_notices(session, Taker("w1", "test"), limit=10, now=ledger.now).started


def states(ledger: Ledger) -> dict[str, str]:
    with session_scope(ledger.engine) as session:
        return {row.kind: row.state for row in session.execute(NOTICE.select())}


def test_a_notice_is_promised_once_and_taken_once(ledger: Ledger) -> None:
    person = ledger.reader(state="pending")
    for _ in range(2):
        add(ledger, "confirmation", subscriber_id=person, name="Ada", context={"interests": ["안전"]})
    (notice,) = take(ledger)
    assert (notice.kind, notice.key, notice.address, notice.name) == ("confirmation", "k", "a@example.org", "Ada")
    assert (notice.ref, notice.context, notice.language) == ("ref1", {"interests": ["안전"]}, "en")
    assert take(ledger) == ()


@pytest.mark.parametrize(
    ("kind", "state", "goes"),
    [
        ("confirmation", "pending", True),
        ("confirmation", "unsubscribed", True),
        ("confirmation", "confirmed", False),
        ("confirmation", "erased", False),
        ("welcome", "confirmed", True),
        ("welcome", "unsubscribed", False),
        ("welcome", "pending", False),
        ("goodbye", "unsubscribed", True),
        ("goodbye", "erased", True),
        ("address", "confirmed", True),
        ("address", "unsubscribed", False),
        ("address", "erased", False),
        ("new_address", "confirmed", True),
        ("new_address", "unsubscribed", False),
        ("address_changed", "confirmed", True),
        ("address_changed", "unsubscribed", True),
        ("own_data", "pending", True),
        ("own_data", "confirmed", True),
        ("own_data", "unsubscribed", True),
        ("own_data", "erased", False),
    ],
)
def test_the_guard_asks_for_the_persons_state(ledger: Ledger, kind: str, state: str, *, goes: bool) -> None:
    add(ledger, kind, subscriber_id=ledger.reader(state=state, address="a@example.org"))
    assert bool(take(ledger)) is goes
    assert states(ledger) == {kind: "started" if goes else "skipped"}


def test_the_link_to_data_does_not_go_to_an_address_left_behind(ledger: Ledger) -> None:
    person = ledger.reader(address="a@example.org")
    add(ledger, "own_data", subscriber_id=person)
    ledger.change(person, address="b@example.org")
    assert take(ledger) == ()
    assert states(ledger) == {"own_data": "skipped"}


@pytest.mark.parametrize(
    ("reason", "goes"), [("unsubscribed", True), ("hard_bounce", False), ("complaint", False), ("manual", False)]
)
def test_the_link_to_data_goes_to_who_left_not_to_what_bounces(ledger: Ledger, reason: str, *, goes: bool) -> None:
    person = ledger.reader(address="a@example.org", state="unsubscribed", suppression_key="k")
    with session_scope(ledger.engine) as session:
        suppression.add(session, "k", SuppressionReason(reason), ledger.now)
    add(ledger, "own_data", subscriber_id=person)
    assert bool(take(ledger)) is goes
    assert states(ledger) == {"own_data": "started" if goes else "skipped"}


def test_mail_to_nobody_on_the_list_goes_but_not_a_confirmation(ledger: Ledger) -> None:
    add(ledger, "operator")
    add(ledger, "confirmation")
    assert [(notice.kind, notice.ref) for notice in take(ledger)] == [("operator", None)]
    assert objection("welcome", None)


def test_notices_are_settled_and_recovered_like_deliveries(ledger: Ledger) -> None:
    add(ledger, "operator", "one")
    add(ledger, "operator", "two")
    first, second = take(ledger)
    done = Settlement(first.promised, first.id, first.attempt_id, State.ACCEPTED, Outcome.ACCEPTED, ledger.now)
    with session_scope(ledger.engine) as session:
        assert settle(session, [done]) == 1
    assert ledger.recover() == 1
    with session_scope(ledger.engine) as session:
        rows = {row.id: row.state for row in session.execute(NOTICE.select())}
        assert next_notice_due(session) is None
    assert rows == {first.id: "accepted", second.id: "uncertain"}
