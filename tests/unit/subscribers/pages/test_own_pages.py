"""A reader's own data: taken along, erased by their own hand, and the words that they agreed to."""

import re

import pytest
from starlette.testclient import TestClient

from subscribers import store
from subscribers.links import Purpose
from subscribers.models import Subscriber, Wording
from subscribers.pages import wording
from subscribers.pages.samples import PAGES, sample
from tests.support.site import Site

SAVE = {"do": "save", "scope": "all", "language": "en", "format": "html", "frequency": "every", "paused_until": ""}


@pytest.fixture
def person(site: Site) -> Subscriber:
    return site.add(interests="mobility")


@pytest.fixture
def settings(site: Site, person: Subscriber) -> str:
    return site.path(Purpose.PREFERENCES, person.ref)


# Data


@pytest.fixture
def data(site: Site, person: Subscriber) -> str:
    return site.path(Purpose.DATA, person.ref)


def test_a_readers_data_is_a_file_of_their_own_never_stored(site: Site, client: TestClient, data: str) -> None:
    site.add("other@example.org", name="Somebody Else")
    before = site.dump()
    answer = client.post(data)
    assert answer.status_code == 200
    assert answer.json()["address"] == "kim.minjun@example.org"
    assert "Else" not in answer.text
    assert "other" not in answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="digest-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    assert client.post(data).text == answer.text, "a download may break off: the link is not used up"
    assert site.dump() == before
    assert site.data_due == []


@pytest.mark.one_database
@pytest.mark.parametrize("state", ["pending", "confirmed", "unsubscribed"])
def test_asking_for_data_sends_it_to_the_readers_own_address(site: Site, client: TestClient, state: str) -> None:
    person = site.add(state=state)
    before = site.dump()
    answer = client.post(site.path(Purpose.PREFERENCES, person.ref), data={"do": "data", "email": "foe@example.com"})
    assert answer.status_code == 200
    assert "We’ve emailed a link to k•••@example.org." in answer.text
    assert "/data/" not in answer.text
    assert "content-disposition" not in answer.headers
    assert site.data_due == ["kim.minjun@example.org"]
    assert site.dump() == before


@pytest.mark.one_database
def test_asking_for_data_needs_the_form_of_the_page(site: Site, client: TestClient, settings: str) -> None:
    assert client.post(settings, data={"do": "data", "form": "x"}).status_code == 400
    foreign = client.post(settings, data={"do": "data"}, headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    for method in ("GET", "HEAD", "OPTIONS"):
        client.request(method, settings + "?do=data")
    assert site.data_due == []


@pytest.mark.one_database
@pytest.mark.parametrize("left", [False, True])
def test_a_forwarded_preferences_link_gets_no_personal_data(site: Site, client: TestClient, *, left: bool) -> None:
    person = site.add(interests="mobility", state="unsubscribed" if left else "confirmed")
    settings = site.path(Purpose.PREFERENCES, person.ref)
    page = client.get(settings).text
    buttons = re.findall(r'name="do" value="(\w+)"', page)
    assert {"data", "again" if left else "save"} <= set(buttons)
    fields = {**SAVE, "email": "foe@example.com"}
    for do in [*buttons, "save", "resume", "address", "data", "again", "", "other"]:
        for wrong in ({}, {"email": "nobody"}, {"paused_until": "1999-01-01"}, {"form": "x"}):
            answer = client.post(settings, data={**fields, "do": do, **wrong})
            seen = answer.text + str(answer.headers)
            for personal in ("kim.minjun", "minjun", "Kim", "2021-09-"):
                assert personal not in seen.replace(site.now.date().isoformat(), ""), (do, wrong)
    linked = re.findall(r'href="(/[a-z]+/[\w.-]{20,})"', page)
    assert linked
    for link in linked:
        assert "minjun" not in client.get(link).text.lower()
    token = settings.rpartition("/")[2]
    assert client.post(f"/data/{token}").status_code == 404, "one link does not open the other"


@pytest.mark.one_database
def test_the_link_to_data_tells_nothing_by_being_fetched(site: Site, client: TestClient, data: str) -> None:
    before = site.dump()
    shown = [client.request(method, data) for method in ("GET", "HEAD", "OPTIONS", "GET")]
    assert [answer.status_code for answer in shown] == [200, 200, 405, 200]
    assert "k•••@example.org" in shown[0].text
    refused = [
        client.post(data, data={"form": "x"}),
        client.post(data, data={"form": site.form_token(site.path(Purpose.PREFERENCES, site.person().ref))}),
        client.post(data, headers={"origin": "https://foe.example"}),
    ]
    assert [answer.status_code for answer in refused] == [400, 400, 403]
    for answer in [*shown, *refused]:
        assert "minjun" not in (answer.text + str(answer.headers)).lower()
        assert "mobility" not in answer.text.lower()
    assert site.dump() == before
    assert site.data_due == []


@pytest.mark.one_database
@pytest.mark.parametrize("why", ["expired", "foreign", "moved", "erased"])
def test_a_link_to_data_that_does_not_work_is_unknown(
    site: Site, client: TestClient, person: Subscriber, settings: str, data: str, why: str
) -> None:
    site.later(days=1)
    assert client.get(data).status_code == client.post(data).status_code == 200
    if why == "expired":
        site.later(seconds=1)
    elif why == "foreign":
        data = settings.replace("preferences", "data")
    elif why == "moved":
        client.post(settings, data={"do": "address", "email": "new@example.org"})
        client.post(site.path(Purpose.ADDRESS, site.changes[0].ref, extra=site.changes[0].nonce))
    else:
        client.post(site.path(Purpose.ERASE, person.ref), data={"confirm": "erase"})
    for method in ("GET", "POST"):
        fields = {"form": site.signer.token(Purpose.FORM, person.ref, extra=Purpose.DATA, now=site.now)}
        one, other = (client.request(method, path, data=fields) for path in (data, "/data/nothing"))
        assert (one.status_code, one.text) == (other.status_code, other.text)
        assert one.status_code == 404


# Erasing


def test_erasing_is_explained_by_a_page_and_done_by_a_button(site: Site, client: TestClient, settings: str) -> None:
    page = client.get(settings).text
    path = "/erase/" + page.partition('href="/erase/')[2].partition('"')[0]
    before = site.dump()
    for method in ("GET", "HEAD", "OPTIONS"):
        client.request(method, path)
    shown = client.get(path).text
    assert "What we keep" in shown
    assert client.post(path, data={"confirm": "no"}).status_code == 400
    assert site.dump() == before
    page = client.post(path, data={"confirm": "erase"}).text
    assert "Your data has been erased" in page
    assert "•••" not in page
    assert "kim" not in str(site.dump()).lower()
    assert set(site.forgotten) == {1}
    assert site.left == [], "a goodbye would be a mail to somebody whom we no longer know"


def test_after_erasing_links_are_unknown_and_one_click_is_done(
    site: Site, client: TestClient, person: Subscriber
) -> None:
    purposes = [Purpose.PREFERENCES, Purpose.UNSUBSCRIBE, Purpose.UNDO, Purpose.ERASE, Purpose.CONFIRM, Purpose.ADDRESS]
    purposes.append(Purpose.DATA)
    paths = [site.path(purpose, person.ref, extra="x" if purpose == Purpose.CONFIRM else "") for purpose in purposes]
    client.post(site.path(Purpose.ERASE, person.ref), data={"confirm": "erase"})
    before = site.dump()
    for path in paths:
        unknown = path[:-3] + "AAA"
        for method in ("GET", "POST"):
            data = {"confirm": "erase", "do": "data"}
            one, other = (client.request(method, this, data=data) for this in (path, unknown))
            assert (one.status_code, one.text) == (other.status_code, other.text)
            assert one.status_code == 404
    leave = site.path(Purpose.UNSUBSCRIBE, person.ref)
    assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert site.dump() == before


@pytest.mark.one_database
def test_an_erase_link_lives_for_an_hour(site: Site, client: TestClient, person: Subscriber) -> None:
    path = site.path(Purpose.ERASE, person.ref)
    site.later(hours=1, seconds=1)
    assert client.post(path, data={"confirm": "erase"}).status_code == 404
    assert site.person().state == "confirmed"


# Pausing


def test_a_pause_ends_by_one_button(site: Site, client: TestClient, person: Subscriber, settings: str) -> None:
    assert 'value="resume"' not in client.get(settings).text
    client.post(settings, data=SAVE | {"paused_until": "2021-12-01"})
    assert 'value="resume"' in client.get(settings).text
    assert client.post(settings, data={"do": "resume"}).status_code == 200
    assert site.person().paused_until is None
    assert site.events(person) == ["changed", "paused", "resumed"]


# Words


def events(site: Site, person: Subscriber) -> list[tuple[str, str]]:
    with site.write() as session:
        return [(event.kind, event.wording.rpartition(".")[0]) for event in store.events(session, person)]


def test_each_change_says_in_which_words_it_was_made(
    site: Site, client: TestClient, person: Subscriber, settings: str
) -> None:
    leave = site.path(Purpose.UNSUBSCRIBE, person.ref)
    client.post(settings, data=SAVE | {"paused_until": "2021-12-01", "language": "ko"})
    client.post(settings, data={"do": "resume"})
    client.post(leave, data={"confirm": "pause", "months": "1"})
    client.post(leave, data={"confirm": "rarer", "frequency": "third"})
    client.post(leave, data={"confirm": "topics", "interest": "safety"})
    client.post(leave, data={"confirm": "leave"})
    client.post(site.path(Purpose.UNDO, person.ref))
    client.post(leave, data={"List-Unsubscribe": "One-Click"})
    client.post(settings, data={"do": "again"})
    client.post(settings, data={"do": "address", "email": "new@example.org"})
    due = site.changes[0]
    client.post(site.path(Purpose.ADDRESS, due.ref, extra=due.nonce))
    client.post(site.path(Purpose.ERASE, person.ref), data={"confirm": "erase"})
    assert events(site, person) == [
        ("changed", "preferences.en"),
        ("paused", "preferences.en"),
        ("resumed", "preferences.ko"),
        ("paused", "unsubscribe.ko"),
        ("changed", "unsubscribe.ko"),
        ("changed", "unsubscribe.ko"),
        ("unsubscribed", "unsubscribe.ko"),
        ("confirmed", "undo.ko"),
        ("unsubscribed", ""),  # the button was the mail program's
        ("confirmed", "again.ko"),
        ("address-asked", "preferences.ko"),
        ("address-changed", "address.ko"),
        ("erased", "erase.ko"),
    ]


def test_signing_up_keeps_the_words_of_both_pages(site: Site, client: TestClient) -> None:
    client.post("/subscribe", data={"email": "new@example.org", "scope": "all", "language": "ko"})
    client.post(site.path(Purpose.CONFIRM, site.due[0].ref, extra=site.due[0].request))
    person = site.person("new@example.org")
    assert events(site, person) == [("requested", "subscribe.ko"), ("confirmed", "confirm.ko")]
    with site.write() as session:
        asked, confirmed = store.events(session, person)
        words = session.get(Wording, asked.wording)
        assert words is not None
        assert "언제든지" in words.text or "떠나" in words.text or "보관" in words.text
        assert session.get(Wording, confirmed.wording) is not None


@pytest.mark.one_database
@pytest.mark.parametrize("page", PAGES)
def test_a_version_changes_with_the_words_and_with_nothing_else(site: Site, page: str) -> None:
    name, values = sample(page, "en")
    common = {"language": "en", "languages": [], "path": "", "base_url": "https://a.example"}
    whole = common | {"publication": site.context().publication("en")} | values
    html = site.render(f"web/{name}.html.j2", "en", whole)
    version = wording.version_of(page, "en", wording.words_of(html))
    assert len(version) <= 40
    assert version == wording.version_of(page, "en", wording.words_of(html.replace("<p>", "<p class='new'>\n")))
    word = next(word for word in wording.words_of(html).split() if word.isalpha() and len(word) > 3)
    assert version != wording.version_of(page, "en", wording.words_of(html.replace(word, "Other")))
    assert version != wording.version_of(page, "ko", wording.words_of(html))
