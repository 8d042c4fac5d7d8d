"""Human forms are taken only from our own page; one-click, and the sign-up form of another site, from anywhere."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from subscribers.links import LIFETIMES, Purpose
from subscribers.models import Subscriber
from subscribers.pages import Asking
from subscribers.pages.csrf import QUICKEST, TRAP, from_elsewhere
from tests.support.site import BASE_URL, Reader, Site

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
HUMAN = [Purpose.CONFIRM, Purpose.PREFERENCES, Purpose.UNSUBSCRIBE, Purpose.UNDO, Purpose.DATA]
SAVE = {
    "do": "save",
    "scope": "some",
    "interest": ["safety"],
    "language": "ko",
    "format": "text",
    "frequency": "third",
    "paused_until": "2021-12-24",
}


@pytest.fixture
def person(site: Site) -> Subscriber:
    return site.add(interests="mobility;safety")


def act(purpose: Purpose) -> dict[str, object]:
    return {Purpose.PREFERENCES: SAVE, Purpose.UNSUBSCRIBE: {"confirm": "leave"}}.get(purpose, {"x": "y"})


def path_of(site: Site, purpose: Purpose, person: Subscriber) -> str:
    if purpose == Purpose.UNDO:
        with site.write() as session:
            session.get(Subscriber, person.id).state = "unsubscribed"  # type: ignore[union-attr]
    return site.path(purpose, person.ref)


@pytest.mark.one_database
def test_every_form_behind_a_link_has_the_hidden_field(site: Site, client: TestClient, person: Subscriber) -> None:
    left = site.add("left@example.org", state="unsubscribed")
    pending = site.add("new@example.org", state="pending")
    for purpose, whom in [
        (Purpose.CONFIRM, pending),
        (Purpose.PREFERENCES, person),
        (Purpose.PREFERENCES, left),
        (Purpose.UNSUBSCRIBE, person),
        (Purpose.UNDO, left),
        (Purpose.DATA, left),
    ]:
        page = client.get(site.path(purpose, whom.ref)).text
        forms = re.findall(r"<form\b.*?</form>", page, re.DOTALL)
        assert forms, purpose
        for form in forms:
            token = re.search(r'name="form" value="([^"]+)"', form)
            assert token, (purpose, form)
            payload = site.signer.read(Purpose.FORM, token[1], site.now)
            assert (payload.ref, payload.extra) == (whom.ref, purpose)


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", HUMAN)
def test_a_foreign_form_changes_nothing_and_offers_the_button(
    site: Site, client: TestClient, person: Subscriber, purpose: Purpose
) -> None:
    path = path_of(site, purpose, person)
    other = site.add("other@example.org")
    wrong = [
        "",
        "x",
        site.signer.token(Purpose.FORM, other.ref, extra=purpose, now=site.now),
        site.signer.token(Purpose.FORM, person.ref, extra="subscribe", now=site.now),
        site.signer.token(Purpose.FORM, person.ref, now=site.now),
        path.rpartition("/")[2],
    ]
    before = site.dump()
    for token in wrong:
        answer = client.post(path, data={**act(purpose), "form": token})
        assert answer.status_code == 400, token
        if purpose != Purpose.CONFIRM:  # this person is a reader already
            assert 'role="alert"' in answer.text
            assert 'name="form" value="' in answer.text
    assert site.dump() == before
    assert site.left == site.confirmed == []


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", HUMAN[1:])
def test_a_page_that_stayed_open_for_days_still_works(
    site: Site, client: TestClient, person: Subscriber, purpose: Purpose
) -> None:
    path = path_of(site, purpose, person)
    token = site.form_token(path)
    site.later(hours=23)
    assert client.post(path, data={**act(purpose), "form": token}).status_code == 200


@pytest.mark.one_database
def test_a_page_open_for_too_long_says_so_and_keeps_the_choice(
    site: Site, client: TestClient, person: Subscriber
) -> None:
    path = site.path(Purpose.PREFERENCES, person.ref)
    token = site.form_token(path)
    site.later(days=LIFETIMES[Purpose.FORM].days, seconds=1)
    before = site.dump()
    page = client.post(path, data={**SAVE, "form": token})
    assert page.status_code == 400
    assert "This page was open for too long" in page.text
    assert site.dump() == before
    again = dict(re.findall(r'<input type="(?:hidden|date)" name="(\w+)"[^>]*? value="([^"]*)"', page.text))
    checked = re.findall(r'name="(\w+)" value="(\w+)"[^>]*? checked', page.text)
    assert ("interest", "safety") in checked
    assert ("interest", "mobility") not in checked
    assert ("format", "text") in checked
    assert ("frequency", "third") in checked
    assert '<option value="ko" lang="ko" selected>' in page.text
    assert again["paused_until"] == "2021-12-24"
    assert client.post(path, data={**SAVE, "form": again["form"]}).status_code == 200
    assert site.person().interests == "safety"


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", HUMAN)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": BASE_URL},
        {"origin": "https://evil.example"},
        {"origin": f"{BASE_URL}.evil.example"},
        {"origin": "HTTPS://EVIL.example"},
    ],
)
def test_another_sites_page_cannot_post_even_with_a_good_form(
    site: Site, client: TestClient, person: Subscriber, purpose: Purpose, headers: dict[str, str]
) -> None:
    path = path_of(site, purpose, person)
    before = site.dump()
    answer = client.post(path, data=act(purpose), headers=headers)
    assert answer.status_code == 403
    assert site.dump() == before


@pytest.mark.one_database
@pytest.mark.parametrize(
    "headers", [{}, {"origin": "null"}, {"origin": BASE_URL}, {"origin": "null", "sec-fetch-site": "same-origin"}]
)
def test_what_browsers_send_from_our_own_page_is_taken(
    site: Site, client: TestClient, person: Subscriber, headers: dict[str, str]
) -> None:
    path = site.path(Purpose.UNSUBSCRIBE, person.ref)
    assert client.post(path, data={"confirm": "leave"}, headers=headers).status_code == 200
    assert site.person().state == "unsubscribed"


@pytest.mark.parametrize(
    "headers", [{}, {"sec-fetch-site": "cross-site", "origin": "https://mail.example", "cookie": "a=b"}]
)
def test_one_click_needs_nothing_and_is_never_held_back(
    site: Site, client: TestClient, person: Subscriber, headers: dict[str, str]
) -> None:
    answer = client.post(site.path(Purpose.UNSUBSCRIBE, person.ref), data=ONE_CLICK, headers=headers)
    assert answer.status_code == 200
    assert site.person().state == "unsubscribed"


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_header_makes_the_look_fail(site: str, origin: str, host: str) -> None:
    raw = [
        (name.encode(), value.encode("utf-8"))
        for name, value in [("sec-fetch-site", site), ("origin", origin), ("host", host)]
    ]
    assert from_elsewhere(Headers(raw=raw), BASE_URL) in {True, False}


# The sign-up form


def field(page: str) -> str:
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.one_database
def test_a_form_back_at_once_is_asked_again_with_what_was_typed(site: Site, client: TestClient) -> None:
    data = {"email": "new@example.org", "scope": "some", "interest": "safety"}
    page = client.get("/subscribe").text
    answer = client.post("/subscribe", data={**data, "form": field(page)})
    assert answer.status_code == 400
    assert site.dump() == []
    assert 'value="new@example.org"' in answer.text
    assert re.search(r'value="safety"[^>]* checked', answer.text)
    site.later(seconds=QUICKEST.total_seconds())
    assert client.post("/subscribe", data={**data, "form": field(answer.text)}).status_code == 200
    assert [due.address for due in site.due] == ["new@example.org"]


@pytest.mark.one_database
def test_a_program_that_fills_in_everything_is_not_heeded(site: Site, client: TestClient) -> None:
    data = {"email": "new@example.org", "scope": "all"}
    trapped = client.post("/subscribe", data={**data, TRAP: "cheap pills"})
    assert site.dump() == []
    assert site.due == []
    honest = client.post("/subscribe", data=data)
    assert (trapped.status_code, trapped.text) == (honest.status_code, honest.text)
    assert len(site.due) == 1


@pytest.mark.one_database
def test_no_person_meets_the_trap(client: TestClient) -> None:
    page = client.get("/subscribe").text
    trap = re.search(r'<p class="trap">.*?</p>', page, re.DOTALL)
    assert trap
    assert 'tabindex="-1"' in trap[0]
    assert 'autocomplete="off"' in trap[0]
    assert re.search(r"\.trap \{ display: none; \}", client.get("/static/pages.css").text)


@pytest.mark.one_database
def test_a_form_of_another_site_works_but_counts_as_bare(site: Site) -> None:
    asked: list[Asking] = []

    def gate(asking: Asking) -> int:
        asked.append(asking)
        return 0

    site.gate = gate
    with Reader(site, base_url=BASE_URL) as client:
        foreign = {"origin": "https://town.example", "sec-fetch-site": "cross-site"}
        assert client.post("/subscribe", data={"email": "a@example.org"}, headers=foreign).status_code == 200
        page = field(client.get("/subscribe").text)
        site.later(days=8)
        assert client.post("/subscribe", data={"email": "b@example.org", "form": page}).status_code == 200
        page = field(client.get("/subscribe").text)
        site.later(minutes=1)
        assert client.post("/subscribe", data={"email": "C@example.org", "form": page}).status_code == 200
        future = site.signer.token(Purpose.FORM, "", extra="subscribe", now=site.now.replace(year=2035))
        assert client.post("/subscribe", data={"email": "d@example.org", "form": future}).status_code == 200
    assert [(one.address_key, one.bare) for one in asked] == [
        ("a@example.org", True),
        ("b@example.org", True),
        ("c@example.org", False),
        ("d@example.org", True),
    ]
    assert {one.host for one in asked} == {"testclient"}
    assert len(site.due) == 4


def test_who_has_to_wait_is_told_how_long_and_nothing_is_kept(site: Site) -> None:
    site.gate = lambda _asking: 90
    with Reader(site, base_url=BASE_URL) as client:
        answer = client.post("/subscribe", data={"email": "a@example.org"})
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "90"
        assert site.dump() == []
        leaving = site.add("leaving@example.org")
        assert client.post(site.path(Purpose.UNSUBSCRIBE, leaving.ref), data=ONE_CLICK).status_code == 200
        back = site.add("too@example.org")
        assert client.post(site.path(Purpose.UNSUBSCRIBE, back.ref), data={"confirm": "leave"}).status_code == 200
