"""The never-send list, on both databases."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from digest.runtime.db import session_scope
from subscribers import suppression
from subscribers.errors import ConsentRefusedError, SecretUnusableError
from subscribers.suppression import SuppressionReason

SECRET = b"a suppression key of enough bytes"
KEY = suppression.key_of("kim@example.org", SECRET)


def test_the_key_tells_nothing_without_the_secret() -> None:
    assert len(KEY) == 64
    assert "kim" not in KEY
    assert suppression.key_of("kim@example.org", b"another key of enough bytes") != KEY
    with pytest.raises(SecretUnusableError):
        suppression.key_of("kim@example.org", b"short")


def test_adding_twice_is_adding_once(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        assert suppression.add(session, KEY, SuppressionReason.MANUAL, now, source="letter")
        assert not suppression.add(session, KEY, SuppressionReason.MANUAL, now)
    with session_scope(engine) as session:
        assert [row[1:3] for row in suppression.listing(session)] == [("manual", "letter")]


def test_the_list_goes_on_after_any_entry(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        for number in range(6):  # two at each instant
            at = now + timedelta(days=number // 2)
            suppression.add(session, f"{number}", SuppressionReason.MANUAL, at)
    with session_scope(engine, read_only=True) as session:
        whole = [row[0] for row in suppression.listing(session)]
        assert whole == ["4", "5", "2", "3", "0", "1"]
        for place, key in enumerate(whole, start=1):
            rest = suppression.listing(session, suppression.lookup(session, key))
            assert [row[0] for row in rest] == whole[place:]
        assert suppression.count(session) == 6


def test_a_weaker_reason_never_hides_a_stronger_one(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        suppression.add(session, KEY, SuppressionReason.ERASED, now)
        for reason in SuppressionReason:
            suppression.add(session, KEY, reason, now)
        found = suppression.lookup(session, KEY)
        assert found is not None
        assert found.reason == "erased"


@pytest.mark.parametrize("reason", [SuppressionReason.UNSUBSCRIBED, SuppressionReason.ERASED])
def test_what_the_person_decided_no_command_lifts(engine: Engine, now: datetime, reason: SuppressionReason) -> None:
    with session_scope(engine) as session:
        suppression.add(session, KEY, reason, now)
        with pytest.raises(ConsentRefusedError):
            suppression.remove(session, KEY)
        suppression.lift_by_confirmation(session, KEY)
    with session_scope(engine) as session:
        assert suppression.lookup(session, KEY) is None


@pytest.mark.parametrize(
    "reason", [SuppressionReason.HARD_BOUNCE, SuppressionReason.COMPLAINT, SuppressionReason.MANUAL]
)
def test_what_the_publisher_noted_a_command_alone_lifts(
    engine: Engine, now: datetime, reason: SuppressionReason
) -> None:
    with session_scope(engine) as session:
        suppression.add(session, KEY, reason, now)
        suppression.lift_by_confirmation(session, KEY)
        assert suppression.lookup(session, KEY) is not None
        assert suppression.remove(session, KEY)
        assert not suppression.remove(session, KEY)
