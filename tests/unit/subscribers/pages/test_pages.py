"""The audience's pages over HTTP, on both databases: fetching changes nothing, posting acts, nobody is told about others."""

from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from subscribers import consent, preferences, suppression
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.links import LinkSigner, Purpose
from subscribers.models import Subscriber
from subscribers.pages.forms import MAX_BODY
from subscribers.suppression import SuppressionReason
from tests.support.site import BASE_URL, LINK_KEY, SECRET, Site

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
SAVE = {"do": "save", "scope": "some", "language": "en", "format": "html", "frequency": "every", "paused_until": ""}
PERSONAL = [Purpose.CONFIRM, Purpose.PREFERENCES, Purpose.UNSUBSCRIBE, Purpose.UNDO, Purpose.ERASE, Purpose.DATA]


@pytest.fixture
def person(site: Site) -> Subscriber:
    return site.add(interests="mobility;safety")


@pytest.fixture
def leave(site: Site, person: Subscriber) -> str:
    return site.path(Purpose.UNSUBSCRIBE, person.ref)


@pytest.fixture
def settings(site: Site, person: Subscriber) -> str:
    return site.path(Purpose.PREFERENCES, person.ref)


# Fetching


@pytest.mark.one_database
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("purpose", PERSONAL)
def test_a_link_never_acts_by_being_fetched(
    site: Site, client: TestClient, person: Subscriber, purpose: Purpose, method: str
) -> None:
    before = site.dump()
    for query in ("", "?confirm=leave", "?List-Unsubscribe=One-Click", "?do=save"):
        client.request(method, site.path(purpose, person.ref) + query)
    assert site.dump() == before
    assert site.left == site.confirmed == []


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", PERSONAL)
def test_every_page_keeps_its_token_to_itself(
    site: Site, client: TestClient, person: Subscriber, purpose: Purpose
) -> None:
    response = client.get(site.path(purpose, person.ref))
    assert response.status_code == 200
    headers = response.headers
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-robots-tag"] == "noindex"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" in headers
    assert "set-cookie" not in headers


@pytest.mark.one_database
def test_preferences_say_whom_to_ask_and_lead_to_the_archive(
    site: Site, client: TestClient, person: Subscriber
) -> None:
    page = client.get(site.path(Purpose.PREFERENCES, person.ref) + "?lang=en").text
    mailbox = '<a href="mailto:editors@example.org">editors@example.org</a>'
    assert f"Questions? Email {mailbox}." in page
    assert '<a href="/archive?lang=en">All issues</a>' in page


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", PERSONAL)
def test_a_page_shows_neither_address_nor_name(
    site: Site, client: TestClient, person: Subscriber, purpose: Purpose
) -> None:
    page = client.get(site.path(purpose, person.ref)).text
    assert "k•••@example.org" in page
    for personal in ("kim.minjun", "Kim Minjun", person.ref):
        assert personal not in page


# Links that do not work


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", PERSONAL)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_all_links_that_do_not_work_get_the_same_answer(
    site: Site, client: TestClient, person: Subscriber, purpose: Purpose, method: str
) -> None:
    genuine = site.path(purpose, person.ref)
    gone = site.add("gone@example.org")
    with site.write() as session:
        preferences.erase(session, gone, method=ConsentMethod.COMMAND, now=site.now, secret=SECRET)
    other = Purpose.VIEW
    wrong_purpose = site.path(other, person.ref).replace(f"/{other}/", f"/{purpose}/")
    broken = [genuine[:-1], genuine[:-4] + "AAAA", f"/{purpose}/x", f"/{purpose}/%00%ff", f"/{purpose}/" + "a" * 3000]
    paths = [*broken, site.path(purpose, "f" * 32), site.path(purpose, gone.ref), wrong_purpose]
    before = site.dump()
    answers = [client.request(method, path, data={"confirm": "leave", "do": "again"}) for path in paths]
    if purpose != Purpose.UNSUBSCRIBE:
        site.later(days=500)
        answers.append(client.request(method, genuine, data={"confirm": "leave", "do": "again"}))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "editors@example.org" in answers[0].text
    assert site.dump() == before


@pytest.mark.one_database
def test_an_unsubscribe_link_works_for_years(site: Site, client: TestClient, leave: str) -> None:
    site.later(days=3650)
    assert client.post(leave, data=ONE_CLICK).status_code == 200
    assert site.person().state == "unsubscribed"


# One-click (RFC 8058)


@pytest.mark.parametrize("form", ["urlencoded", "multipart", "nameless"])
def test_one_click_acts_at_once_and_as_often_as_it_is_sent(
    site: Site, client: TestClient, leave: str, form: str
) -> None:
    for _ in range(2):
        if form == "urlencoded":
            response = client.post(leave, data=ONE_CLICK | {"anything": "else"})
        elif form == "multipart":
            response = client.post(leave, files={"List-Unsubscribe": (None, "One-Click"), "a": ("b.txt", b"c")})
        else:
            response = client.post(leave, content=b"List-Unsubscribe=One-Click")
        assert response.status_code == 200
        assert "location" not in response.headers
        assert "set-cookie" not in response.headers
    assert site.person().state == "unsubscribed"
    assert site.suppressed() == "unsubscribed"
    assert [(one.address, one.method) for one in site.left] == [("kim.minjun@example.org", "one-click")]


def test_one_click_on_an_erased_person_is_done_already(
    site: Site, client: TestClient, person: Subscriber, leave: str
) -> None:
    with site.write() as session:
        preferences.erase(session, person, method=ConsentMethod.COMMAND, now=site.now, secret=SECRET)
    assert client.post(leave, data=ONE_CLICK).status_code == 200


@pytest.mark.one_database
@pytest.mark.parametrize(
    "data", [{}, {"List-Unsubscribe": "one-click"}, {"confirm": ""}, {"confirm": "rarer", "frequency": "every"}]
)
def test_a_post_that_asks_for_nothing_known_is_no_success(
    site: Site, client: TestClient, leave: str, data: dict[str, str]
) -> None:
    before = site.dump()
    assert client.post(leave, data=data).status_code == 400
    assert site.dump() == before


# The page to leave by


def test_a_person_leaves_by_one_button_and_can_take_it_back(site: Site, client: TestClient, leave: str) -> None:
    assert 'value="leave"' in client.get(leave).text
    page = client.post(leave, data={"confirm": "leave"}).text
    assert site.person().state == "unsubscribed"
    assert "may still arrive" in page
    undo = page.partition('action="/undo/')[2].partition('"')[0]
    assert client.post(f"/undo/{undo}").status_code == 200
    assert site.person().state == "confirmed"
    assert site.suppressed() is None


@pytest.mark.one_database
def test_taking_it_back_works_for_a_day(site: Site, client: TestClient, leave: str) -> None:
    page = client.post(leave, data={"confirm": "leave"}).text
    undo = page.partition('action="/undo/')[2].partition('"')[0]
    site.later(days=1, seconds=1)
    assert client.post(f"/undo/{undo}").status_code == 404
    assert 'action="/undo/' not in client.get(leave).text
    assert site.person().state == "unsubscribed"


@pytest.mark.one_database
def test_an_unsubscribe_link_can_only_make_less_mail(site: Site, client: TestClient, leave: str) -> None:
    topics = {"confirm": "topics", "interest": ["safety", "certification", "nonsense"]}
    assert client.post(leave, data=topics).status_code == 200
    assert site.person().interests == "safety"
    assert client.post(leave, data={"confirm": "rarer", "frequency": "third"}).status_code == 200
    assert client.post(leave, data={"confirm": "rarer", "frequency": "second"}).status_code == 400
    assert site.person().frequency == "third"
    assert client.post(leave, data={"confirm": "pause", "months": "6"}).status_code == 200
    until = site.person().paused_until
    assert until == site.now + timedelta(days=180)
    assert client.post(leave, data={"confirm": "pause", "months": "1"}).status_code == 200
    assert site.person().paused_until == until
    assert site.person().state == "confirmed"


@pytest.mark.one_database
def test_keeping_every_topic_keeps_future_ones_too(site: Site, client: TestClient) -> None:
    person = site.add("all@example.org", interests="*")
    path = site.path(Purpose.UNSUBSCRIBE, person.ref)
    client.post(path, data={"confirm": "topics", "interest": ["mobility", "safety", "certification"]})
    assert site.person("all@example.org").interests == "*"


# Preferences


def test_preferences_are_saved_and_proved(site: Site, client: TestClient, person: Subscriber, settings: str) -> None:
    data = SAVE | {"interest": ["certification", "safety"], "language": "ko", "format": "text", "frequency": "second"}
    response = client.post(settings, data=data | {"paused_until": "2021-12-01"})
    assert response.status_code == 200
    assert '<html lang="ko"' in response.text
    saved = site.person()
    assert (saved.interests, saved.language, saved.format, saved.frequency) == (
        "certification;safety",
        "ko",
        "text",
        "second",
    )
    assert saved.paused_until == datetime(2021, 11, 30, 15, tzinfo=UTC), "midnight in Seoul"
    assert 'value="2021-12-01"' in client.get(settings).text
    client.post(settings, data=data)
    assert site.person().paused_until is None
    assert site.events(person) == ["changed", "paused", "resumed"]


@pytest.mark.parametrize(
    ("data", "interests"),
    [
        ({"scope": ""}, "mobility;safety"),
        ({"interest": ["mobility"]}, "mobility"),
        ({"scope": "all", "interest": ["mobility"]}, "*"),
    ],
)
def test_interests_may_be_left_alone_some_or_all(
    site: Site, client: TestClient, settings: str, data: dict[str, str], interests: str
) -> None:
    assert client.post(settings, data=SAVE | data).status_code == 200
    assert site.person().interests == interests


@pytest.mark.parametrize(
    "data",
    [
        {"interest": "nonsense"},
        {"language": "xx"},
        {"format": "pdf"},
        {"frequency": "daily"},
        {"frequency": ""},
        {"paused_until": "2021-09-30"},
        {"paused_until": "2021-09-29"},
        {"paused_until": "2031-01-01"},
        {"paused_until": "0001-01-01"},
        {"paused_until": "9999-12-31"},
        {"paused_until": "soon\0"},
        {"do": ""},
        {"do": "erase"},
    ],
)
def test_what_the_page_does_not_offer_saves_nothing(
    site: Site, client: TestClient, settings: str, data: dict[str, str]
) -> None:
    before = site.dump()
    response = client.post(settings, data=SAVE | data)
    assert response.status_code == 400
    assert 'role="alert"' in response.text
    assert site.dump() == before


@pytest.mark.one_database
def test_who_has_left_sees_a_way_back_and_nothing_else(
    site: Site, client: TestClient, leave: str, settings: str
) -> None:
    client.post(leave, data=ONE_CLICK)
    page = client.get(settings).text
    assert 'value="again"' in page
    assert 'value="save"' not in page
    assert client.post(settings, data={"do": "again"}).status_code == 200
    assert site.person().state == "confirmed"
    assert site.suppressed() is None


def test_the_way_back_does_not_lift_a_complaint(
    site: Site, client: TestClient, person: Subscriber, leave: str, settings: str
) -> None:
    client.post(leave, data=ONE_CLICK)
    with site.write() as session:
        suppression.add(session, person.suppression_key or "", SuppressionReason.COMPLAINT, site.now)
    client.post(settings, data={"do": "again"})
    assert site.suppressed() == "complaint"


# Sign-up


def test_signing_up_asks_and_a_button_in_the_mail_confirms(site: Site, client: TestClient) -> None:
    data = {"email": "New@Example.org", "scope": "some", "interest": "safety", "language": "ko"}
    assert client.post("/subscribe", data=data).status_code == 200
    (due,) = site.due
    assert site.person("new@example.org").state == "pending"
    path = site.path(Purpose.CONFIRM, due.ref, extra=due.request)
    for _ in range(3):
        assert "<button" in client.get(path).text
    assert site.person("new@example.org").state == "pending"
    page = client.post(path)
    assert page.status_code == 200
    found = site.person("new@example.org")
    assert (found.state, found.interests, found.language) == ("confirmed", "safety", "ko")
    assert [one.ref for one in site.confirmed] == [found.ref]
    link = page.text.partition('href="/preferences/')[2].partition('"')[0]
    assert client.get(f"/preferences/{link}").status_code == 200
    assert client.post(path).status_code == 200
    assert len(site.confirmed) == 1


@pytest.mark.one_database
def test_the_sign_up_form_tells_nobody_who_reads(site: Site, client: TestClient, person: Subscriber) -> None:
    left, bounced = site.add("left@example.org", state="unsubscribed"), site.add("bounced@example.org")
    with site.write() as session:
        suppression.add(session, bounced.suppression_key or "", SuppressionReason.HARD_BOUNCE, site.now)
    addresses = ["new@example.org", "new@example.org", person.address, left.address, bounced.address]
    answers = [client.post("/subscribe", data={"email": address, "scope": "all"}) for address in addresses]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    assert [due.address for due in site.due] == ["new@example.org", "left@example.org"]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"email": ""},
        {"email": "kim"},
        {"email": "kim@example.org\r\nBcc: all@example.org"},
        {"email": "<script>alert(1)</script>@example.org"},
        {"email": "kim\0@example.org"},
        {"email": "k" * 10_000 + "@example.org"},
        {"email": "kim@example.org", "scope": "some", "interest": "nonsense"},
    ],
)
def test_a_broken_sign_up_is_refused_and_keeps_nothing(site: Site, client: TestClient, data: dict[str, str]) -> None:
    response = client.post("/subscribe", data=data)
    assert response.status_code == 400
    assert "<script>" not in response.text
    assert site.dump() == []


# Hostile bodies


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"List-Unsubscribe=One-Click&x=" + b"a" * MAX_BODY, "application/x-www-form-urlencoded", 413),
        (b"confirm=leave" + b"&a=b" * 300, "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe%ff=%00", "application/x-www-form-urlencoded", 400),
        (b"no boundary", "multipart/form-data", 400),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 400),
        (b"{}", "application/json", 400),
        (b"", "text/plain", 400),
    ],
)
def test_a_body_that_is_no_form_changes_nothing(
    site: Site, client: TestClient, leave: str, content: bytes, kind: str, status: int
) -> None:
    before = site.dump()
    assert client.post(leave, content=content, headers={"content-type": kind}).status_code == status
    assert site.dump() == before


# The rest


@pytest.mark.one_database
def test_a_test_mails_links_lead_to_a_page_that_says_so(site: Site, client: TestClient) -> None:
    path = site.path(Purpose.TEST, "e" * 32)
    for answer in (client.get(path), client.post(path, data=ONE_CLICK)):
        assert answer.status_code == 200
        assert "test" in answer.text
    assert client.get(path[:-1]).status_code == 404


@pytest.mark.one_database
@pytest.mark.parametrize(("accept", "language"), [("ko-KR,ko;q=0.9", "ko"), ("fr", "en"), ("", "en")])
def test_a_stranger_is_answered_in_the_browsers_language(client: TestClient, accept: str, language: str) -> None:
    for path in ("/subscribe", "/unsubscribe/nothing"):
        assert f'<html lang="{language}"' in client.get(path, headers={"accept-language": accept}).text


@pytest.mark.one_database
def test_the_style_sheet_is_ours_and_asks_nobody_else(client: TestClient) -> None:
    answer = client.get("/static/pages.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert "url(" not in answer.text
    assert "@import" not in answer.text


@pytest.mark.one_database
def test_pages_below_a_path_find_their_style_sheet(site: Site) -> None:
    below = Site(site.engine, site.now, base_url=f"{BASE_URL}/news")
    with TestClient(below.app(), base_url=BASE_URL) as client:
        assert 'href="/news/static/pages.css"' in client.get("/subscribe").text


@pytest.mark.one_database
def test_an_old_mails_link_works_twice_after_key_rotation(site: Site, leave: str) -> None:
    site.signer = LinkSigner(["a newer key for links, too", LINK_KEY], BASE_URL)
    site.later(days=200)
    with TestClient(site.app(), base_url=BASE_URL) as client:
        for _ in range(2):
            assert client.get(leave).status_code == 200
            assert client.post(leave, data=ONE_CLICK).status_code == 200
        assert site.person().state == "unsubscribed"
        site.signer = LinkSigner(["a newer key for links, too"], BASE_URL)
    with TestClient(site.app(), base_url=BASE_URL) as client:
        page = client.post(leave, data=ONE_CLICK)
        assert page.status_code == 404
        assert "mailto:editors@example.org?subject=unsubscribe" in page.text


def asked_again(site: Site) -> Subscriber:
    person = site.add(confirmed_at=site.now - timedelta(days=800))
    with site.write() as session:
        detail = {"request": "nonce"}
        consent.record(session, person, ConsentKind.ASKED, ConsentMethod.RETENTION, site.now, detail=detail)
    return person


def test_a_reader_who_is_asked_again_stays_by_pressing_a_button(site: Site, client: TestClient) -> None:
    person = asked_again(site)
    path = site.path(Purpose.KEEP, person.ref, extra="nonce")
    before = site.dump()
    for _ in range(3):
        assert "<button" in client.get(path).text
        assert client.head(path).status_code == 200
    assert site.dump() == before, "a link never acts by being fetched"
    for _ in range(2):
        answer = client.post(path)
        assert answer.status_code == 200
        assert "You’re still subscribed" in answer.text
    assert site.events(person) == ["asked", "confirmed"]
    assert site.person().confirmed_at == site.now


@pytest.mark.one_database
@pytest.mark.parametrize("extra", ["", "other"])
def test_a_keep_link_of_another_question_keeps_nothing(site: Site, client: TestClient, extra: str) -> None:
    person = asked_again(site)
    assert client.post(site.path(Purpose.KEEP, person.ref, extra=extra)).status_code == 404
    assert site.events(person) == ["asked"]


@pytest.mark.one_database
def test_who_left_is_not_kept_by_an_old_mail(site: Site, client: TestClient) -> None:
    person = asked_again(site)
    with site.write() as session:
        preferences.unsubscribe(session, person, method=ConsentMethod.PAGE, now=site.now, secret=SECRET)
    path = site.path(Purpose.KEEP, person.ref, extra="nonce")
    assert (client.get(path).status_code, client.post(path).status_code) == (404, 404)
    assert site.person().state == "unsubscribed"
