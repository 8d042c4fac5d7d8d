"""A change of address: confirmed at the new one, told to the old one, and nobody learns who else reads."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlmodel import Session, select
from starlette.testclient import TestClient

from subscribers import address_change, preferences, store, suppression
from subscribers.consent import ConsentMethod
from subscribers.links import Purpose
from subscribers.models import AddressChange, Subscriber
from subscribers.suppression import SuppressionReason
from tests.support.site import SECRET, Site

NEW = "kim@new.example.org"


@pytest.fixture
def person(site: Site) -> Subscriber:
    return site.add(interests="mobility")


@pytest.fixture
def settings(site: Site, person: Subscriber) -> str:
    return site.path(Purpose.PREFERENCES, person.ref)


def ask(client: TestClient, path: str, address: str = NEW, status: int = 200) -> str:
    answer = client.post(path, data={"do": "address", "email": address})
    assert answer.status_code == status
    return answer.text


def link(site: Site, which: int = -1) -> str:
    due = site.changes[which]
    return site.path(Purpose.ADDRESS, due.ref, extra=due.nonce)


def changes(site: Site) -> list[AddressChange]:
    with site.write() as session:
        return list(session.exec(select(AddressChange)).all())


def test_the_old_address_stays_until_the_new_one_is_confirmed(site: Site, client: TestClient, settings: str) -> None:
    page = ask(client, settings, "Kim@New.Example.org")
    assert "We’ve sent an email to that address, if we can." in page
    assert NEW not in page.lower()
    assert [due.address for due in site.changes] == ["Kim@new.example.org"]
    for method in ("GET", "HEAD", "OPTIONS"):
        for _ in range(3):
            before = site.dump()
            client.request(method, link(site))
            assert site.dump() == before
    assert "K•••@new.example.org" in client.get(link(site)).text
    assert site.person().address == "kim.minjun@example.org"
    page = client.post(link(site)).text
    assert "K•••@new.example.org" in page
    moved = site.person(NEW)
    assert (moved.address, moved.interests, moved.state) == ("Kim@new.example.org", "mobility", "confirmed")
    (told,) = site.moved
    assert (told.address, told.new, told.interests) == ("kim.minjun@example.org", "Kim@new.example.org", "mobility")
    assert site.events(moved) == ["address-asked", "address-changed"]


def test_a_link_is_no_address_and_names_nobody(site: Site, client: TestClient, settings: str) -> None:
    ask(client, settings)
    for personal in ("@", "kim", "new.example"):
        assert personal not in link(site).lower()


def test_pressing_twice_and_on_two_devices_at_once_changes_once(site: Site, client: TestClient, settings: str) -> None:
    ask(client, settings)
    path = link(site)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post(path).status_code, range(4)))
    assert answers == [200] * 4
    assert "Your address has been changed" in client.get(path).text
    assert len(site.moved) == 1
    assert site.events(site.person(NEW)) == ["address-asked", "address-changed"]


def test_known_suppressed_and_own_addresses_are_answered_alike(
    site: Site, client: TestClient, person: Subscriber
) -> None:
    site.add("other@example.org")
    site.add("left@example.org", state="unsubscribed")
    site.add("waiting@example.org", state="pending")
    with site.write() as session:
        for address, reason in (("gone@example.org", "erased"), ("bounced@example.org", "hard_bounce")):
            suppression.add(session, suppression.key_of(address, SECRET), SuppressionReason(reason), site.now)
    taken = ["other", "left", "waiting", "gone", "bounced", "kim.minjun"]
    answers, kept = set(), set()
    for name in [*taken, "free"]:
        reader = site.add(f"reader.of.{name}@example.org", interests="mobility") if name != "kim.minjun" else person
        path = site.path(Purpose.PREFERENCES, reader.ref)
        answers.add(ask(client, path, f"{name}@example.org").replace(reader.ref, ""))
        with site.write() as session:
            (change,) = store.changes_of(session, reader)
            events = [(e.kind, e.wording, str(e.detail)) for e in store.events(session, reader)]
        kept.add((change.state, change.address.replace(name, ""), str(events)))
    assert len({strip_links(page) for page in answers}) == len(kept) == 1
    assert [due.address for due in site.changes] == ["free@example.org"]


def strip_links(page: str) -> str:
    """The page without what is the reader's own in any case: their masked address and their links."""
    own = ("•••", "/unsubscribe/", "/erase/", 'name="form"')
    lines = [line for line in page.splitlines() if not any(mark in line for mark in own)]
    return "\n".join(lines)


def test_one_mail_a_day_goes_to_an_address_whoever_asks(site: Site, client: TestClient, settings: str) -> None:
    other = site.path(Purpose.PREFERENCES, site.add("other@example.org").ref)
    site.later(hours=20)
    for _ in range(3):
        ask(client, settings)
        ask(client, other)
    assert len(site.changes) == 1
    site.later(hours=23)  # a day is not over at midnight
    ask(client, site.path(Purpose.PREFERENCES, site.add("third@example.org").ref))
    assert len(site.changes) == 1
    site.later(hours=2)
    ask(client, other)
    assert len(site.changes) == 2


def test_two_readers_asking_for_one_address_cause_one_mail(site: Site, client: TestClient) -> None:
    paths = [site.path(Purpose.PREFERENCES, site.add(f"reader{n}@example.org").ref) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: ask(client, path), paths))
    assert len(site.changes) == 1


def test_a_reader_cannot_make_us_write_to_many_strangers(site: Site, client: TestClient, settings: str) -> None:
    for number in range(10):
        ask(client, settings, f"stranger{number}@example.org")
    assert len(site.changes) == address_change.MOST_A_DAY


def test_the_last_word_counts(site: Site, client: TestClient, settings: str) -> None:
    ask(client, settings, "mistyped@example.org")
    ask(client, settings)
    assert client.get(link(site, 0)).status_code == client.post(link(site, 0)).status_code == 404
    assert client.post(link(site)).status_code == 200
    assert site.person(NEW).state == "confirmed"
    assert all(change.address == "" for change in changes(site))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_links_that_change_nothing_are_answered_as_unknown_ones(
    site: Site, client: TestClient, settings: str, person: Subscriber, method: str
) -> None:
    ask(client, settings)
    path = link(site)
    unknown = client.request(method, "/address/nothing")
    foreign = site.add("foreign@example.org")
    asked = site.changes[0]
    broken = [
        path[:-1],
        site.path(Purpose.ADDRESS, foreign.ref, extra=asked.nonce),
        site.path(Purpose.ADDRESS, asked.ref),
    ]
    broken += [path.replace("/address/", "/confirm/"), path.replace("/address/", "/preferences/")]
    before = site.dump()
    site.later(days=2, seconds=1)
    broken.append(path)
    answers = [client.request(method, one) for one in broken]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, unknown.text)}
    assert site.dump() == before


def test_an_address_that_became_somebody_elses_stays_theirs(site: Site, client: TestClient, settings: str) -> None:
    ask(client, settings)
    site.add(NEW)
    assert client.post(link(site)).status_code == 404
    assert site.person().address == "kim.minjun@example.org"
    assert site.moved == []


def test_who_left_in_between_is_not_moved(site: Site, client: TestClient, settings: str, person: Subscriber) -> None:
    ask(client, settings)
    client.post(site.path(Purpose.UNSUBSCRIBE, person.ref), data={"List-Unsubscribe": "One-Click"})
    assert client.post(link(site)).status_code == 404
    assert client.post(settings, data={"do": "address", "email": "more@example.org"}).status_code == 400


def test_the_old_address_is_free_for_its_owner_closed_to_files(site: Site, client: TestClient, settings: str) -> None:
    ask(client, settings)
    client.post(link(site))
    assert site.suppressed() == "unsubscribed"
    client.post("/subscribe", data={"email": "kim.minjun@example.org", "scope": "all"})
    (due,) = site.due
    assert client.post(site.path(Purpose.CONFIRM, due.ref, extra=due.request)).status_code == 200
    assert site.suppressed() is None
    assert site.person().state == site.person(NEW).state == "confirmed"


def test_a_reader_can_go_back_to_the_address_they_left(site: Site, client: TestClient, settings: str) -> None:
    ask(client, settings)
    client.post(link(site))
    site.later(days=3)
    back = site.path(Purpose.PREFERENCES, site.person(NEW).ref)
    ask(client, back, "kim.minjun@example.org")
    assert client.post(link(site)).status_code == 200
    assert site.person().state == "confirmed"
    assert site.suppressed() is None
    assert site.suppressed(NEW) == "unsubscribed"


def test_links_in_the_old_mailbox_only_serve_to_leave(
    site: Site, client: TestClient, settings: str, person: Subscriber
) -> None:
    confirm = site.path(Purpose.CONFIRM, person.ref, extra="x")
    leave = site.path(Purpose.UNSUBSCRIBE, person.ref)
    erase, data = site.path(Purpose.ERASE, person.ref), site.path(Purpose.DATA, person.ref)
    ask(client, settings)
    site.later(seconds=5)
    page = client.post(link(site)).text
    for path in (settings, confirm, erase, data):
        assert client.get(path).status_code == client.post(path, data={"do": "data"}).status_code == 404
    fresh = page.partition('href="/preferences/')[2].partition('"')[0]
    assert client.get(f"/preferences/{fresh}").status_code == 200
    assert client.get(leave).status_code == 200
    assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert site.person(NEW).state == "unsubscribed"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "kim",
        "kim@example.org\r\nBcc: all@example.org",
        "kim\0@example.org",
        "k" * 320 + "@example.org",
        "\u202e@a.org",
    ],
)
def test_what_is_no_address_is_refused_and_keeps_nothing(
    site: Site, client: TestClient, settings: str, address: str
) -> None:
    before = site.dump()
    page = ask(client, settings, address, status=400)
    assert 'role="alert"' in page
    assert site.dump() == before


def test_requests_are_forgotten_on_expiry_and_erasure(
    site: Site, client: TestClient, settings: str, person: Subscriber
) -> None:
    ask(client, settings)
    other = site.add("other@example.org")
    ask(client, site.path(Purpose.PREFERENCES, other.ref), "elsewhere@example.org")
    with site.write() as session:
        preferences.erase(session, person, method=ConsentMethod.COMMAND, now=site.now, secret=SECRET)
    assert NEW not in str(site.dump())
    told: list[str] = []

    def forget(_session: Session, nonces: list[str]) -> None:
        told.extend(nonces)

    for later, left in ((timedelta(days=2), 2), (timedelta(days=2, seconds=1), 0)):
        with site.write() as session:
            address_change.forget_expired(session, site.now + later, forget)  # type: ignore[arg-type]
        assert len(changes(site)) == left
    assert sorted(told) == sorted(due.nonce for due in site.changes)
    assert "elsewhere@example.org" not in str(site.dump())
