"""Double opt-in: a stranger's request changes nothing about anybody, the person's own confirmation does."""

import threading
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from subscribers import preferences, signup, store, suppression
from subscribers.address import EmailAddress
from subscribers.consent import ConsentMethod
from subscribers.errors import LinkInvalidError
from subscribers.links import LinkPayload, Purpose
from subscribers.models import Subscriber
from subscribers.signup import Confirmed, SignupForm
from subscribers.suppression import SuppressionReason
from tests.support.site import SECRET, Site

ADDRESS = "kim.minjun@example.org"


def ask(site: Site, address: str = ADDRESS, **fields: Any) -> None:
    with site.write() as session:
        signup.request(
            session,
            SignupForm(EmailAddress.parse(address), "en", **fields),
            method=ConsentMethod.PAGE,
            now=site.now,
            new_ref=site.new_ref,
            secret=SECRET,
            confirmation_due=lambda _session, due: site.due.append(due),
        )


def press(site: Site, number: int = -1) -> Confirmed | None:
    """Confirm by the mail that was due as `number`."""
    due = site.due[number]
    with site.write() as session:
        payload = LinkPayload(Purpose.CONFIRM, due.ref, due.request, due.requested_at)
        return signup.confirm(session, payload, now=site.now)


def leave(site: Site) -> None:
    with site.write() as session:
        person = store.by_key(session, ADDRESS)
        assert person is not None
        preferences.unsubscribe(session, person, method=ConsentMethod.PAGE, now=site.now, secret=SECRET)


def test_a_request_makes_a_pending_person_and_one_mail(site: Site) -> None:
    ask(site, interests="mobility")
    person = site.person()
    assert (person.state, person.interests, person.confirmed_at) == ("pending", "mobility", None)
    assert [(due.address, due.ref) for due in site.due] == [(ADDRESS, person.ref)]
    assert site.events(person) == ["requested"]


def test_a_confirmation_makes_a_reader_and_again_changes_nothing(site: Site) -> None:
    ask(site)
    site.later(hours=1)
    confirmed = press(site)
    assert confirmed is not None
    assert confirmed.address == ADDRESS
    before = site.dump()
    assert press(site) is None
    assert site.dump() == before
    person = site.person()
    assert (person.state, person.confirmed_at) == ("confirmed", site.now)
    assert site.events(person) == ["requested", "confirmed"]


def test_a_thousand_requests_are_one_mail_a_day(site: Site) -> None:
    for _ in range(20):
        ask(site, ADDRESS.upper())
    assert len(site.due) == 1
    site.later(hours=24)
    ask(site)
    assert len(site.due) == 2


def test_both_mails_work_when_somebody_asked_twice(site: Site) -> None:
    ask(site)
    site.later(hours=24)
    ask(site)
    assert press(site, 0) is not None


def test_a_request_for_a_reader_changes_nothing(site: Site) -> None:
    site.add(interests="safety")
    before = site.dump()
    ask(site, interests="mobility", name="Somebody else")
    assert site.dump() == before
    assert site.due == []


@pytest.mark.parametrize(
    "reason", [SuppressionReason.HARD_BOUNCE, SuppressionReason.COMPLAINT, SuppressionReason.MANUAL]
)
def test_no_mail_goes_to_an_address_that_bounced_or_complained(site: Site, reason: SuppressionReason) -> None:
    with site.write() as session:
        suppression.add(session, suppression.key_of(ADDRESS, SECRET), reason, site.now)
    before = site.dump()
    ask(site)
    assert site.due == []
    assert site.dump() == before


def test_who_has_left_comes_back_by_a_new_confirmation(site: Site) -> None:
    ask(site)
    press(site)
    leave(site)
    assert site.suppressed() == "unsubscribed"
    ask(site)
    assert site.person().state == "unsubscribed"
    assert site.suppressed() == "unsubscribed"
    assert press(site) is not None
    assert site.person().state == "confirmed"
    assert site.suppressed() is None


def test_an_old_confirmation_does_not_bring_back_who_has_left(site: Site) -> None:
    ask(site)
    press(site)
    leave(site)
    with pytest.raises(LinkInvalidError):
        press(site)
    assert site.person().state == "unsubscribed"


def test_an_erased_person_can_sign_up_anew(site: Site) -> None:
    person = site.add()
    with site.write() as session:
        preferences.erase(session, person, method=ConsentMethod.COMMAND, now=site.now, secret=SECRET)
    ask(site)
    assert site.suppressed() == "erased"
    assert press(site) is not None
    assert site.suppressed() is None
    with site.write() as session:
        assert sorted(session.exec(select(Subscriber.state)).all()) == ["confirmed", "erased"]


@pytest.mark.parametrize("extra", ["", "f" * 32])
def test_a_request_that_was_never_made_confirms_nobody(site: Site, extra: str) -> None:
    ask(site)
    with site.write() as session, pytest.raises(LinkInvalidError):
        signup.confirm(session, LinkPayload(Purpose.CONFIRM, site.due[0].ref, extra, site.now), now=site.now)
    with site.write() as session, pytest.raises(LinkInvalidError):
        signup.confirm(session, LinkPayload(Purpose.CONFIRM, "nobody", site.due[0].request, site.now), now=site.now)


def test_the_same_address_at_the_same_moment_is_one_person(engine: Engine, now: datetime) -> None:
    sites = [Site(engine, now) for _ in range(2)]
    for site, prefix in zip(sites, "ab", strict=True):
        site.new_ref = iter([prefix * 32, prefix * 31 + "1"]).__next__  # type: ignore[method-assign]
    threads = [threading.Thread(target=ask, args=(site,)) for site in sites]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(site.due) for site in sites) == 1
    with sites[0].write() as session:
        assert len(session.exec(select(Subscriber)).all()) == 1
