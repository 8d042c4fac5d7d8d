"""Freezing: everybody is planned once or counted under a reason, and doing it again changes nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, inspect, update
from sqlalchemy.exc import IntegrityError

from digest.outbox import statistics, store
from digest.outbox.plan import AudienceChangedError, bring_forward
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, ISSUE, SUBSCRIBER
from digest.outbox.take import Taker, take
from digest.runtime.db import session_scope
from subscribers.audience import exclusion_reason
from subscribers.models import Suppression
from tests.support.ledger import Ledger


def test_each_eligible_reader_gets_one_delivery_of_their_edition(ledger: Ledger) -> None:
    korean = ledger.edition("ko")
    everyone = [ledger.reader(), ledger.reader()]
    reader = ledger.reader(language="ko", interests="mobility;safety")
    result = ledger.freeze({("en", "*"): ledger.edition_id, ("ko", "mobility;safety"): korean})
    assert (result.planned, result.added, dict(result.excluded)) == (3, 3, {})
    assert {row.subscriber_id: row.edition_id for row in ledger.deliveries()} == {
        everyone[0]: ledger.edition_id,
        everyone[1]: ledger.edition_id,
        reader: korean,
    }
    assert ledger.counts() == {"pending": 3}


def test_the_left_out_are_counted_by_reason_and_numbers_add_up(ledger: Ledger) -> None:
    ledger.reader()
    ledger.reader(state="pending")
    ledger.reader(state="pending")
    ledger.reader(state="unsubscribed")
    ledger.reader(state="erased", address="", address_key=None, suppression_key=None)
    ledger.reader(paused_until=ledger.now + timedelta(days=1))
    ledger.reader(frequency="second")
    ledger.reader(interests="safety")
    ledger.reader(suppression_key="known")
    with session_scope(ledger.engine) as session:
        session.add(Suppression(key="known", reason="complaint", created_at=ledger.now))
    result = ledger.freeze({("en", "*"): ledger.edition_id, ("en", "safety"): None})
    assert dict(result.excluded) == {
        "unconfirmed": 2,
        "unsubscribed": 1,
        "erased": 1,
        "paused": 1,
        "frequency": 1,
        "empty": 1,
        "suppressed": 1,
    }
    assert result.planned == 1
    assert result.planned + sum(result.excluded.values()) == 9


def test_freezing_again_changes_nothing_and_plans_only_the_new(ledger: Ledger) -> None:
    people = ledger.planned(3)
    (first,) = ledger.take(limit=1)
    ledger.settle([first], State.ACCEPTED)
    before = ledger.deliveries()
    assert ledger.freeze().added == 0
    assert ledger.deliveries() == before
    ledger.change(people[2], state="unsubscribed")
    ledger.reader()
    again = ledger.freeze()
    assert (again.planned, again.added, dict(again.excluded)) == (4, 1, {})


def test_a_group_without_an_edition_refuses_the_plan_whole(ledger: Ledger) -> None:
    ledger.reader()
    ledger.reader(interests="safety")
    with pytest.raises(AudienceChangedError):
        ledger.freeze()
    assert ledger.deliveries() == []
    assert not [name for name in inspect(ledger.engine).get_temp_table_names() if "reading" in name]
    assert ledger.freeze({("en", "*"): ledger.edition_id, ("en", "safety"): None}).planned == 1


def test_an_empty_audience_plans_nothing(ledger: Ledger) -> None:
    assert ledger.freeze({}).planned == 0


def test_thousands_of_groups_are_planned_in_one_go(ledger: Ledger) -> None:
    texts = [f"interest-{number:05}" for number in range(12_000)]
    with session_scope(ledger.engine) as session:
        session.execute(
            insert(SUBSCRIBER),
            [
                {
                    "ref": f"r{n}",
                    "address": f"a{n}@example.org",
                    "address_key": f"a{n}@example.org",
                    "suppression_key": f"k{n}",
                    "name": "",
                    "language": "en",
                    "format": "html",
                    "frequency": "every",
                    "interests": text,
                    "state": "confirmed",
                    "created_at": ledger.now,
                }
                for n, text in enumerate(texts)
            ],
        )
    assert ledger.freeze({("en", text): ledger.edition_id for text in texts}).planned == 12_000
    assert len({row.subscriber_id for row in ledger.deliveries()}) == 12_000


def test_the_database_refuses_a_second_delivery_of_an_issue(ledger: Ledger) -> None:
    (reader,) = ledger.planned(1)
    row = {
        "issue_id": ledger.issue_id,
        "subscriber_id": reader,
        "edition_id": ledger.edition_id,
        "state": "pending",
        "reason": "",
        "due_at": ledger.now,
        "attempts": 0,
        "created_at": ledger.now,
    }
    with pytest.raises(IntegrityError), session_scope(ledger.engine) as session:
        session.execute(insert(DELIVERY), row)


def test_those_brought_forward_are_not_the_first_to_sign_up(ledger: Ledger) -> None:
    ledger.planned(200)
    with session_scope(ledger.engine) as session:
        session.execute(update(DELIVERY).values(due_at=ledger.now + timedelta(hours=1)))
        assert bring_forward(session, ledger.issue_id, 20, ledger.now) == 20
    places = [place for place, row in enumerate(ledger.deliveries()) if row.due_at == ledger.now]
    assert len(places) == 20
    assert {place // 50 for place in places} == {0, 1, 2, 3}  # some of each quarter


def test_nothing_of_the_rest_is_taken_before_a_canarys_verdict(ledger: Ledger) -> None:
    ledger.planned(10)
    rest_at = ledger.now + timedelta(hours=1)
    with session_scope(ledger.engine) as session:
        session.execute(update(DELIVERY).values(due_at=rest_at))
        session.execute(update(ISSUE).values(rest_at=rest_at))
        bring_forward(session, ledger.issue_id, 3, ledger.now)
    for later in (timedelta(0), timedelta(hours=1), timedelta(days=9)):
        with session_scope(ledger.engine) as session:
            taken = take(session, Taker("w", "r"), ledger.issue_id, exclusion_reason, limit=50, now=ledger.now + later)
            assert len(taken.started) == (3 if not later else 0)
            assert store.next_due(session, ledger.issue_id) is None
            assert store.next_pending(session, ledger.issue_id, [""], ledger.now) is None
            counted = statistics.canary(session, ledger.issue_id, rest_at)
            assert sum(counted.values()) == 3
    with session_scope(ledger.engine) as session:
        session.execute(update(ISSUE).values(rest_at=None))
        assert store.next_due(session, ledger.issue_id) == rest_at
        taken = take(session, Taker("w", "r"), ledger.issue_id, exclusion_reason, limit=50, now=rest_at)
        assert len(taken.started) == 7
