"""Doubtful readers: who never was reached, with the evidence; mistyped domains; mailboxes of roles. On both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session

from digest.membership import list_hygiene
from digest.membership.list_hygiene import HygieneKind
from digest.outbox.tables import DELIVERY, SUBSCRIBER
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from subscribers import suppression
from subscribers.models import ConsentEvent
from subscribers.suppression import SuppressionReason
from tests.support.ledger import Ledger

FULL = "452 4.2.2 mailbox full"


def change(ledger: Ledger, of_id: int, **values: Any) -> None:
    with session_scope(ledger.engine) as session:
        session.execute(update(SUBSCRIBER).where(SUBSCRIBER.c.id == of_id).values(**values))


def ended(ledger: Ledger, of_id: int, state: str, *, issue: int | None = None, reason: str = "") -> None:
    own = (DELIVERY.c.subscriber_id == of_id, DELIVERY.c.issue_id == (issue or ledger.issue_id))
    with session_scope(ledger.engine) as session:
        session.execute(update(DELIVERY).where(*own).values(state=state, reason=reason, settled_at=ledger.now))


def listed(ledger: Ledger, after: str = "") -> list[list_hygiene.DoubtfulReader]:
    with session_scope(ledger.engine, read_only=True) as session:
        return list(list_hygiene.doubtful(session, after))


def counted(ledger: Ledger, *, mailed: bool = False) -> list[int]:
    with session_scope(ledger.engine, read_only=True) as session:
        return list(list_hygiene.counts(session, mailed=mailed).values())


@pytest.mark.parametrize(
    ("first", "second", "evidence"),
    [
        ("rejected", "expired", "2 issues, the last No. 22 expired on {day}: " + FULL),
        ("rejected", "pending", "one issue, No. 21 rejected on {day}: " + FULL),
        ("expired", "skipped", "one issue, No. 21 expired on {day}: " + FULL),
        ("rejected", "accepted", ""),
        ("accepted", "rejected", ""),
        ("uncertain", "rejected", ""),
        ("pending", "deferred", ""),
        ("skipped", "cancelled", ""),
    ],
)
def test_never_reached_is_who_got_no_issue_and_was_refused(
    ledger: Ledger, first: str, second: str, evidence: str
) -> None:
    of_id, other = ledger.planned(2)
    later = ledger.second_issue(22)
    ended(ledger, of_id, first, reason=FULL)
    ended(ledger, of_id, second, issue=later, reason=FULL)
    ended(ledger, other, "accepted")
    found = [one.evidence for one in listed(ledger) if one.kind is HygieneKind.NEVER_REACHED]
    assert found == ([evidence.format(day=f"{ledger.now:%Y-%m-%d}")] if evidence else [])
    assert counted(ledger)[0] == len(found)


def test_only_mails_to_the_present_address_count(ledger: Ledger) -> None:
    old, new = ledger.planned(2)
    for of_id in (old, new):
        ended(ledger, of_id, "rejected")
    change(ledger, new, address_since=ledger.now + timedelta(hours=1))
    change(ledger, old, address_since=ledger.now - timedelta(hours=1))
    assert counted(ledger) == [1, 0, 0]


def test_mistyped_and_role_addresses_of_readers_are_listed(ledger: Ledger) -> None:
    addresses = ["a@gmial.com", "postmaster@example.org", "abuse+list@example.org", "a@mail.com", "no_reply@naver.con"]
    people = ledger.planned(7)
    for of_id, address in zip(people, [*addresses, "b@gmial.com", "c@hanmial.net"], strict=True):
        change(ledger, of_id, address=address, address_key=address)
    change(ledger, people[5], state="unsubscribed")
    change(ledger, people[6], suppression_key="k")
    with session_scope(ledger.engine) as session:
        suppression.add(session, "k", SuppressionReason.HARD_BOUNCE, ledger.now)
    assert [(one.kind, one.address, one.suppressed) for one in listed(ledger)] == [
        ("mistyped", "a@gmial.com", None),
        ("mistyped", "no_reply@naver.con", None),
        ("mistyped", "c@hanmial.net", "hard_bounce"),
        ("role", "postmaster@example.org", None),
        ("role", "abuse+list@example.org", None),
        ("role", "no_reply@naver.con", None),
    ]
    assert (counted(ledger), counted(ledger, mailed=True)) == ([0, 3, 3], [0, 2, 3])


def test_pages_of_doubtful_readers_joined_are_the_list(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_hygiene, "BATCH", 2)
    for number, of_id in enumerate(ledger.planned(5)):
        change(ledger, of_id, address=f"r{number}@gmial.com", address_key=f"r{number}@gmial.com")
        ended(ledger, of_id, "rejected")
    whole = listed(ledger)
    assert len(whole) == 10
    for place, one in enumerate(whole, start=1):
        assert listed(ledger, one.cursor) == whole[place:]


@pytest.mark.parametrize("after", ["x", "role", "role:", "role:x", "role:²", "mistyped:-1", ":1"])
def test_an_unknown_cursor_of_the_check_is_refused(ledger: Ledger, after: str) -> None:
    with pytest.raises(UsageError, match="not an entry of the list"):
        listed(ledger, after)


def test_a_cursor_of_any_length_is_harmless(ledger: Ledger) -> None:
    assert listed(ledger, f"role:{'9' * 400}") == []


def test_figures_by_provider_and_month_add_up(ledger: Ledger) -> None:
    people = ledger.planned(4)
    for of_id, domain in zip(people, ("gmail.com", "gmail.com", "naver.com", "example.org"), strict=True):
        change(ledger, of_id, address_key=f"r{of_id}@{domain}", confirmed_at=datetime(2021, 8, 31, 23, 30, tzinfo=UTC))
    change(ledger, people[1], state="unsubscribed", unsubscribed_at=datetime(2021, 9, 1, tzinfo=UTC))
    change(ledger, people[3], state="erased", address_key=None, confirmed_at=None)
    with session_scope(ledger.engine) as session:
        _goes(session, people[3], datetime(2021, 10, 5, tzinfo=UTC))
        suppression.add(session, "x", SuppressionReason.COMPLAINT, datetime(2021, 9, 2, tzinfo=UTC))
        suppression.add(session, "y", SuppressionReason.ERASED, datetime(2021, 10, 5, tzinfo=UTC))
    with session_scope(ledger.engine, read_only=True) as session:
        families = {"gmail.com": "google", "naver.com": "naver"}
        assert list_hygiene.providers(session, families) == {"google": 2, "naver": 1}
        assert list_hygiene.growth(session) == {
            "2021-08": {"joined": 3, "left": 0, "erased": 0, "suppressed": 0},
            "2021-09": {"joined": 0, "left": 1, "erased": 0, "suppressed": 1},
            "2021-10": {"joined": 0, "left": 0, "erased": 1, "suppressed": 0},
        }


def _goes(session: Session, of_id: int, when: datetime) -> None:
    session.add(ConsentEvent(subscriber_id=of_id, kind="erased", method="page", happened_at=when))
