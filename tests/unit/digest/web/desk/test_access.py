"""Access to the desk: every route with every role, without a session, with one that is over, and without our form."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from digest.accounts import audit, sessions, store, totp
from digest.accounts.models import Role
from digest.app import App
from digest.issues import store as issues
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.settings.web import DeskSettings
from digest.testing import FrozenClock
from digest.web.app import app_of, desk_app
from digest.web.desk.access import OPEN, ROLES, ROOT, Access
from digest.web.desk.local import OneTimeAddress
from tests.support.web_sample import HOME

pytestmark = pytest.mark.one_database
FORM = re.compile(r'name="form" value="([^"]+)"')
WALK = {
    "/desk/reader/{ref}": "/desk/reader/anna",
    "/desk/slot/{name}": "/desk/slot/view",
    "/desk/frame": "/desk/frame?language=en",
}


@dataclass
class SignedOffice:
    """The desk of a workspace with accounts, and browsers at it."""

    app: App
    clock: FrozenClock
    secrets: dict[str, store.NewAccount] = field(default_factory=dict)

    def add(self, login: str, *roles: Role) -> store.NewAccount:
        with session_scope(self.app.engine) as session:
            made = store.add(
                session, login, list(roles), now=self.clock.now(), secret=self.app.settings.suppression_key
            )
        self.secrets[login] = made
        return made

    def code(self, login: str) -> str:
        return totp.code(self.secrets[login].totp_secret, int(self.clock.now().timestamp() // 30))

    def browser(self) -> TestClient:
        return TestClient(
            app_of(self.app, shared_limits=True), base_url=HOME, raise_server_exceptions=False, follow_redirects=False
        )

    def signed_in(self, login: str, *roles: Role) -> TestClient:
        """A browser with a session, without the page of its own: opening one costs what a hash does."""
        made, browser = self.add(login, *roles), self.browser()
        with session_scope(self.app.engine) as session:
            token = sessions.begin(
                session,
                made.account,
                now=self.clock.now(),
                lasting=timedelta(hours=1),
                secret=self.app.settings.suppression_key,
            )
        browser.cookies.set(Access(self.app).cookie, token)
        return browser

    def acts(self) -> list[tuple[str, str, str]]:
        with session_scope(self.app.engine, read_only=True) as session:
            return [(one.who, one.what, one.route) for one in audit.entries(session)]


@pytest.fixture
def office(drafted_on_each: Publisher, now: object) -> SignedOffice:
    clock = FrozenClock(now)  # type: ignore[arg-type]
    desk = DeskSettings(enabled=True, attempts="4/15minute")
    settings = drafted_on_each.settings.model_copy(update={"desk": desk})
    return SignedOffice(App(settings, drafted_on_each.engine, clock), clock)


def routes(office: SignedOffice) -> list[tuple[str, str]]:
    found = []
    for route in app_of(office.app, shared_limits=False).routes:
        for one in getattr(getattr(route, "original_router", None), "routes", [route]):
            if isinstance(one, APIRoute) and one.path.startswith(ROOT):
                found += [(one.path, method) for method in sorted(one.methods)]
    return found


def token_in(page: str) -> str:
    found = FORM.search(page)
    assert found, page[:500]
    return found[1]


def posted(browser: TestClient, path: str, *, at: str = "/desk/account", **fields: str) -> int:
    return browser.post(path, data={"form": token_in(browser.get(at).text), **fields}).status_code


def test_every_route_is_open_on_purpose_or_has_its_roles(office: SignedOffice) -> None:
    found = routes(office)
    assert len(found) > 15
    assert {path for path, _ in found} - OPEN == set(ROLES)


def test_nobody_opens_what_their_role_may_not(office: SignedOffice) -> None:
    browsers = {role: office.signed_in(role.value, role) for role in Role}
    for (path, method), (role, browser) in product(routes(office), browsers.items()):
        if path in OPEN or method == "HEAD":
            continue
        answer = browser.request(method, WALK.get(path, path))
        allowed = role in ROLES[path] and method == "GET"
        assert (answer.status_code != 403) is allowed, (path, method, role)
        assert answer.status_code < 500, (path, method, role)
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_without_a_session_only_the_form_is_shown(office: SignedOffice) -> None:
    browser = office.browser()
    for path, method in routes(office):
        answer = browser.request(method, WALK.get(path, path))
        if path in OPEN:
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
    for path, method in routes(office):
        if method != "POST" or path in OPEN:
            continue
        for token in ("", "x", foreign, anybody):
            assert kim.post(path, data={"form": token}).status_code == 403, path
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            assert kim.post(path, data={"form": own}, headers=headers).status_code == 403, path
    assert kim.get("/desk").status_code == 200, "nothing of it signed kim out"


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
    assert browser.get("/desk").status_code == 200
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


def test_two_people_approve_at_the_desk_what_was_shown(office: SignedOffice) -> None:
    approval = office.app.settings.approval.model_copy(update={"required": 2})
    office.app = App(office.app.settings.model_copy(update={"approval": approval}), office.app.engine, office.clock)
    kim, lee = office.signed_in("kim", Role.APPROVER), office.signed_in("lee", Role.APPROVER)

    def approve(browser: TestClient, **other: str) -> int:
        page = browser.get("/desk/approval").text
        shown = {name: re.search(f'name="{name}" value="([^"]+)"', page)[1] for name in ("issue", "hash", "form")}  # type: ignore[index]
        return browser.post("/desk/approval", data={**shown, **other}).status_code

    assert approve(kim, hash="0" * 64) == 409, "not what the page showed"
    assert approve(kim, issue="x") == 400
    assert approve(kim) == 303
    assert approve(kim) == 303
    assert state(office) == ("draft", "kim")
    assert approve(lee) == 303
    assert state(office) == ("approved", "kim; lee")
    assert office.acts()[0] == ("lee", "approve", "desk")


def state(office: SignedOffice) -> tuple[str, str | None]:
    with session_scope(office.app.engine, read_only=True) as session:
        issue = issues.find(session, 21)
        return issue.state, issue.approved_by


def test_the_local_desk_opens_once_and_only_there(office: SignedOffice) -> None:
    address = OneTimeAddress()
    local = desk_app(office.app, 21, address)
    with TestClient(local, base_url=HOME, follow_redirects=False) as mine, TestClient(local, base_url=HOME) as other:
        assert mine.get("/desk").status_code == 403
        assert mine.get("/desk/open/x").status_code == 403
        path = address.path
        assert mine.get(path).headers["location"] == ROOT
        assert mine.get("/desk").status_code == 200
        assert mine.get("/desk/sign-in").status_code == 404
        assert other.get(path).status_code == 403, "once"
        assert other.get("/desk", headers={"Host": "evil.example"}).status_code == 421
        public = office.browser()
        token = mine.cookies[Access(office.app, on_loopback=True).cookie]
        public.cookies.set(Access(office.app).cookie, token)
        assert public.get("/desk").status_code == 303, "no account, no desk on the web"


def test_without_the_setting_there_is_no_desk(sent: Publisher, now: object, tmp_path: Path) -> None:
    app = app_of(App(sent.settings, sent.engine, FrozenClock(now)), shared_limits=False)  # type: ignore[arg-type]
    assert TestClient(app, base_url=HOME).get("/desk/sign-in").status_code == 404
