"""Access to the desk: every route with every role, without a session, with one that is over, and without our form."""

import threading
from itertools import product
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from digest.accounts import store
from digest.accounts.models import Role
from digest.app import App
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.app import app_of, desk_app
from digest.web.desk.access import ROOT, Access, DeskRoute
from digest.web.desk.local import OneTimeAddress
from digest.web.desk.pages import DeskPages
from digest.web.desk.routes import PREVIEW, desk_routes
from digest.web.desk.state import Desk
from tests.support.desk_office import FORM, SignedOffice, posted, token_in
from tests.support.web_sample import HOME

pytestmark = pytest.mark.one_database
WALK = {
    "/desk/articles/{slug}": "/desk/articles/alliance-members",
    "/desk/articles/{slug}/history": "/desk/articles/alliance-members/history",
    "/desk/report/{number}": "/desk/report/21",
    "/desk/preview/reader/{ref}": "/desk/preview/reader/anna",
    "/desk/preview/slot/{name}": "/desk/preview/slot/view",
    "/desk/corrections/new": "/desk/corrections/new?issue=21&article=wsce-2021",
    "/desk/preview/frame": "/desk/preview/frame?language=en",
}
"""Addresses for routes that need more than their path."""
COPY = "/desk/copy/{token}"  # each of its pages checks the token
PUBLIC = {
    "/desk/sign-in",
    "/desk/assets/{name}",
    COPY,
    *(f"{COPY}/{page}" for page in ("edition", "frame", "slot/{name}")),
}
ENDS_SESSION = {"/desk/sign-out"}


def desk_table(office: SignedOffice) -> dict[tuple[str, str], DeskRoute]:
    desk = Desk(office.app.publisher, None, office.clock, root=f"{ROOT}{PREVIEW}", follows=False)
    access = Access(office.app)
    found = desk_routes(DeskPages(desk, access), access, threading.Event())
    return {(f"{ROOT}{route.path}", route.method): route for route in found}


def registered(office: SignedOffice) -> set[tuple[str, str]]:
    """The routes below /desk of the app itself: one that no DeskRoute made would be found here."""
    found = set()
    for route in app_of(office.app, shared_limits=False).routes:
        for one in getattr(getattr(route, "original_router", None), "routes", [route]):
            if isinstance(one, APIRoute) and one.path.startswith(ROOT):
                found |= {(one.path, method) for method in one.methods if method != "HEAD"}
    return found


def test_every_route_has_its_roles_or_is_public_on_purpose(office: SignedOffice) -> None:
    table = desk_table(office)
    assert set(table) == registered(office)
    assert {path for (path, _), route in table.items() if route.roles is None} == PUBLIC


def test_nobody_opens_what_their_role_may_not(office: SignedOffice) -> None:
    browsers = {role: office.signed_in(role.value, role) for role in Role}
    tokens = {role: token_in(browser.get("/desk/account").text) for role, browser in browsers.items()}
    for ((path, method), route), (role, browser) in product(desk_table(office).items(), browsers.items()):
        if route.roles is None or path in ENDS_SESSION:
            continue
        allowed = role in route.roles
        if method == "POST" and allowed:
            continue  # its own tests
        data = {"form": tokens[role]} if method == "POST" else None
        answer = browser.request(method, WALK.get(path, path), data=data)
        assert (answer.status_code != 403) is allowed, (path, method, role)
        assert answer.status_code < 500, (path, method, role)
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_without_a_session_only_the_form_is_shown(office: SignedOffice) -> None:
    browser = office.browser()
    for (path, method), route in desk_table(office).items():
        answer = browser.request(method, WALK.get(path, path))
        if route.roles is None:
            continue
        if method == "POST":
            assert answer.status_code == 403, path
        else:
            assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in"), path
    assert browser.get("/desk/").status_code == 303
    assert browser.get("/desk", headers={"Host": "evil.example"}).status_code == 421


def test_no_form_works_without_the_sessions_own_token(office: SignedOffice) -> None:
    kim, lee = office.signed_in("kim", *Role), office.signed_in("lee", *Role)
    foreign = token_in(lee.get("/desk/account").text)
    anybody = token_in(office.browser().get("/desk/sign-in").text)
    own = token_in(kim.get("/desk/account").text)
    for (path, method), route in desk_table(office).items():
        if method != "POST" or route.roles is None:
            continue
        for token in ("", "x", foreign, anybody):
            assert kim.post(path, data={"form": token}).status_code == 403, path
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            assert kim.post(path, data={"form": own}, headers=headers).status_code == 403, path
    assert kim.get("/desk/account").status_code == 200, "nothing of it signed kim out"


def test_password_and_code_sign_in_and_the_button_out(office: SignedOffice) -> None:
    made, browser = office.add("kim", Role.EDITOR), office.browser()
    shown = token_in(browser.get("/desk/sign-in?lang=ko").text)
    assert "로그인" in browser.get("/desk/sign-in?lang=ko").text
    wrong = browser.post(
        "/desk/sign-in", data={"form": shown, "login": "kim", "password": "x", "code": office.code("kim")}
    )
    unknown = browser.post("/desk/sign-in", data={"form": shown, "login": "lee", "password": "x", "code": "1"})
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert FORM.sub("", wrong.text).replace("kim", "lee") == FORM.sub("", unknown.text), "it says not which is wrong"
    right = {"form": shown, "login": " KIM ", "password": made.password, "code": office.code("kim")}
    assert browser.post("/desk/sign-in", data={**right, "form": ""}).status_code == 403
    answer = browser.post("/desk/sign-in", data=right)
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert made.password not in cookie
    assert browser.get("/desk/account").status_code == 200
    assert office.browser().post("/desk/sign-in", data=right).status_code == 403, "a code works once"
    assert posted(browser, "/desk/sign-out") == 303
    assert browser.get("/desk").status_code == 303
    assert office.acts()[:2] == [("kim", "wrong code", "desk"), ("kim", "signed in", "desk")]


def test_attempts_are_limited_by_login_in_any_spelling(office: SignedOffice) -> None:
    office.add("kim", Role.EDITOR)
    browser = office.browser()
    shown = token_in(browser.get("/desk/sign-in").text)
    tries = [
        browser.post("/desk/sign-in", data={"form": shown, "login": login, "password": "x", "code": "1"})
        for login in ("kim", "KIM", " kim", "Kim", "kim", "lee")
    ]
    assert [one.status_code for one in tries] == [403, 403, 403, 403, 429, 403]
    assert int(tries[4].headers["retry-after"]) > 0


def test_a_session_that_is_over_opens_nothing(office: SignedOffice) -> None:
    kim = office.signed_in("kim", *Role)
    assert kim.get("/desk/account").status_code == 200
    with session_scope(office.app.engine) as session:
        store.disable(session, "kim", office.clock.now())
    assert kim.get("/desk/account").status_code == 303
    lee, elsewhere = office.signed_in("lee", *Role), office.browser()
    second = office.browser()
    second.cookies.update(lee.cookies)
    assert posted(second, "/desk/sign-out", everywhere="yes") == 303
    assert lee.get("/desk/account").status_code == 303
    park = office.signed_in("park", *Role)
    office.clock.move(seconds=2 * 3600)
    assert park.get("/desk/account").status_code == 303
    elsewhere.cookies.set(Access(office.app).cookie, "of another workspace")
    assert elsewhere.get("/desk/account").status_code == 303


def test_over_https_the_cookie_is_bound_to_the_host(office: SignedOffice) -> None:
    publication = office.app.settings.publication.model_copy(update={"base_url": "https://news.example.org/list"})
    settings = office.app.settings.model_copy(update={"publication": publication})
    access = Access(App(settings, office.app.engine, office.clock))
    assert (access.cookie, access.prefix) == ("__Host-digest-desk", "/list")


def test_the_local_desk_opens_once_and_only_there(office: SignedOffice) -> None:
    address = OneTimeAddress()
    local = desk_app(office.app, 21, address)
    with TestClient(local, base_url=HOME, follow_redirects=False) as mine, TestClient(local, base_url=HOME) as other:
        closed = mine.get("/desk")
        assert (closed.status_code, "<code>digest desk</code>" in closed.text) == (403, True)
        assert mine.get("/desk/open/x").status_code == 403
        path = address.path
        assert mine.get(path).headers["location"] == ROOT
        for page in ("/desk/preview", "/desk/issue", "/desk/approval"):
            assert 'data-changes="/desk/preview/changes"' in mine.get(page).text, page
        for page in ("/desk/articles/new", "/desk/issue/texts", "/desk/look", "/desk/test"):
            assert "data-changes" not in mine.get(page).text, f"a reload of {page} would lose what was typed"
        assert mine.get("/desk/sign-in").status_code == 404
        assert other.get(path).status_code == 403, "once"
        assert other.get("/desk", headers={"Host": "evil.example"}).status_code == 421
        public = office.browser()
        token = mine.cookies[Access(office.app, on_loopback=True).cookie]
        public.cookies.set(Access(office.app).cookie, token)
        assert public.get("/desk").status_code == 303, "no account, no desk on the web"
        assert mine.post("/desk/close").status_code == 403, "a form of another page closes nothing"
        assert mine.post("/desk/close", data={"form": token_in(mine.get("/desk").text)}).status_code == 303
        mine.cookies.set(Access(office.app, on_loopback=True).cookie, token)
        assert mine.get("/desk").status_code == 403, "the session is over, not only its cookie"


def test_without_the_setting_there_is_no_desk(sent: Publisher, now: object, tmp_path: Path) -> None:
    app = app_of(App(sent.settings, sent.engine, FrozenClock(now)), shared_limits=False)  # type: ignore[arg-type]
    assert TestClient(app, base_url=HOME).get("/desk/sign-in").status_code == 404
