"""What readers decide: each decision is proved, repeatable, and conflicts with a take."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from subscribers import preferences, store
from subscribers.consent import MOVES, ConsentMethod, move
from subscribers.errors import ConsentRefusedError
from subscribers.models import ConsentEvent, Subscriber, SubscriberState
from subscribers.preferences import Choices, Withdrawal
from tests.support.site import SECRET, Site

PAGE = ConsentMethod.PAGE


def last_event(session: Session) -> ConsentEvent:
    return session.exec(select(ConsentEvent).order_by(col(ConsentEvent.id).desc())).first() or ConsentEvent()


def test_a_change_is_kept_and_proved_with_before_and_after(site: Site) -> None:
    person = site.add()
    with site.write() as session:
        choices = Choices(interests="mobility", language="en", frequency="third")
        changed = preferences.change(session, person, choices, method=PAGE, now=site.now)
    assert changed == {"interests": ["*", "mobility"], "frequency": ["every", "third"]}
    with site.write() as session:
        event = last_event(session)
        assert (event.kind, event.method, event.detail) == ("changed", "page", changed)
    assert site.person().interests == "mobility"


def test_a_change_to_what_it_is_already_leaves_no_trace(site: Site) -> None:
    person = site.add()
    before = site.dump()
    with site.write() as session:
        assert preferences.change(session, person, Choices(interests="*"), method=PAGE, now=site.now) == {}
        preferences.resume(session, person, method=PAGE, now=site.now)
    assert site.dump() == before


def test_no_interests_is_a_choice(site: Site) -> None:
    person = site.add()
    with site.write() as session:
        preferences.change(session, person, Choices(interests=""), method=PAGE, now=site.now)
    assert site.person().interests == ""


def test_a_pause_and_its_end_are_proved(site: Site) -> None:
    person, until = site.add(), site.now + timedelta(days=30)
    with site.write() as session:
        preferences.pause(session, person, until, method=PAGE, now=site.now)
        preferences.pause(session, person, until, method=PAGE, now=site.now)
    assert site.person().paused_until == until
    with site.write() as session:
        preferences.resume(session, person, method=PAGE, now=site.now)
    assert site.person().paused_until is None
    assert site.events(person) == ["paused", "resumed"]


def test_leaving_twice_is_leaving_once(site: Site) -> None:
    person = site.add(paused_until=site.now + timedelta(days=1))
    told: list[Withdrawal] = []
    with site.write() as session:
        for _ in range(2):
            preferences.unsubscribe(
                session,
                person,
                method=ConsentMethod.ONE_CLICK,
                now=site.now,
                secret=SECRET,
                on_unsubscribed=lambda _session, withdrawal: told.append(withdrawal),
            )
    found = site.person()
    assert (found.state, found.unsubscribed_at, found.paused_until) == ("unsubscribed", site.now, None)
    assert site.suppressed() == "unsubscribed"
    assert site.events(person) == ["unsubscribed"]
    assert [(one.address, one.method) for one in told] == [(person.address, "one-click")]


def test_who_left_by_mistake_is_back_by_their_own_hand(site: Site) -> None:
    person = site.add()
    with site.write() as session:
        assert not preferences.resubscribe(session, person, now=site.now, secret=SECRET)
        preferences.unsubscribe(session, person, method=PAGE, now=site.now, secret=SECRET)
        assert preferences.resubscribe(session, person, now=site.now, secret=SECRET)
    assert site.person().state == "confirmed"
    assert site.suppressed() is None


def test_erasing_leaves_no_personal_data_anywhere(site: Site) -> None:
    person = site.add("Very.Personal+tag@example.org", name="김민준", interests="mobility", paused_until=site.now)
    forgotten: list[str] = []
    with site.write() as session:
        preferences.change(session, person, Choices(interests="safety", language="ko"), method=PAGE, now=site.now)
        erased = preferences.erase(
            session,
            person,
            method=ConsentMethod.COMMAND,
            now=site.now,
            secret=SECRET,
            forget=lambda _session, whom: forgotten.append(f"{whom.id} {whom.address}"),
        )
        assert erased
    rest = str(site.dump()).lower()
    for personal in ("personal", "tag@", "example.org", "김민준", "mobility", "safety"):
        assert personal not in rest
    assert site.suppressed("very.personal+tag@example.org") == "erased"
    assert site.events(person) == ["changed", "erased"]
    assert set(forgotten) == {f"{person.id} Very.Personal+tag@example.org"}, "called while it is known who they are"
    with site.write() as session:
        assert not preferences.erase(session, person, method=PAGE, now=site.now, secret=SECRET)
        assert not preferences.unsubscribe(session, person, method=PAGE, now=site.now, secret=SECRET)
        with pytest.raises(ConsentRefusedError):
            preferences.change(session, person, Choices(language="en"), method=PAGE, now=site.now)


@pytest.mark.parametrize("act", ["unsubscribe", "erase", "pause", "change"])
def test_a_decision_waits_for_a_take_that_holds_the_reader(site: Site, act: str) -> None:
    """A take locks its readers for share; SQLite has one writer at a time and needs no row lock."""
    if site.engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks the whole database")
    person = site.add()
    calls: dict[str, Any] = {
        "unsubscribe": lambda s: preferences.unsubscribe(s, person, method=PAGE, now=site.now, secret=SECRET),
        "erase": lambda s: preferences.erase(s, person, method=PAGE, now=site.now, secret=SECRET),
        "pause": lambda s: preferences.pause(s, person, site.now, method=PAGE, now=site.now),
        "change": lambda s: preferences.change(s, person, Choices(format="text"), method=PAGE, now=site.now),
    }
    with site.write() as take:
        take.exec(select(Subscriber).where(Subscriber.id == person.id).with_for_update(read=True)).one()
        with site.write() as session:
            session.connection().execute(text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                calls[act](session)
            session.rollback()
    with site.write() as session:
        calls[act](session)
        assert last_event(session).id is not None


def test_a_lock_reads_the_row_again(site: Site) -> None:
    person = site.add()
    with site.write() as session:
        seen = store.by_ref(session, person.ref)
        assert seen is not None
        session.connection().execute(text("UPDATE subscriber SET state = 'unsubscribed'"))
        assert seen.state == "confirmed"
        assert store.lock(session, seen).state == "unsubscribed"


def test_the_states_allow_these_moves_and_no_others() -> None:
    allowed = {f"{state}>{to}" for state, targets in MOVES.items() for to in targets}
    assert allowed == {
        "pending>confirmed",
        "pending>unsubscribed",
        "pending>erased",
        "confirmed>unsubscribed",
        "confirmed>erased",
        "unsubscribed>confirmed",
        "unsubscribed>erased",
    }
    with pytest.raises(ConsentRefusedError, match="erased cannot become confirmed"):
        move(Subscriber(state="erased"), SubscriberState.CONFIRMED)
