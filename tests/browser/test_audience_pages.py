"""The audience's pages in a real browser: accessible and without sideways scroll, usable without script, never acting alone."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine

from subscribers import address_change, consent
from subscribers.address import EmailAddress
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.links import Purpose
from subscribers.models import Subscriber
from tests.support.combinations import combinations
from tests.support.site import SECRET, Site

pytestmark = pytest.mark.browser

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def site(sqlite_engine: Engine, now: datetime) -> Iterator[Site]:
    site = Site(sqlite_engine, now)
    server = uvicorn.Server(uvicorn.Config(site.app(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    site.base_url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield site
    server.should_exit = True
    thread.join()


def asked(site: Site, person: Subscriber, address: str) -> str:
    """Ask for another address; return what the link in the mail carries."""
    with site.write() as session:
        address_change.request(
            session,
            person,
            EmailAddress.parse(address),
            now=site.now,
            secret=SECRET,
            new_ref=site.new_ref,
            change_due=lambda _session, due: site.changes.append(due),
        )
    return site.changes[-1].nonce


# What an office must show, longer than its box.
FULL = {
    "consent_text": "수집 항목: 이메일 주소, 이름(선택)\n보유 기간: 구독 해지 시까지\n"
    + "You may refuse; then we cannot send it to you. " * 20,
    "privacy_policy": "https://www.example.org/privacy",
    "name_field": "optional",
}
# Pages that answer a POST: which page, which button, and what to fill in first.
ANSWERS = {
    "kept": ("keep", "Yes, keep sending it", {}),
    "changed address": ("address", "Use this address", {}),
    "saved": ("preferences", "Save", {}),
    "asked for another address": ("preferences", "Change address", {"New email address": "more@example.org"}),
    "no address": ("preferences", "Change address", {"New email address": "kim@localhost"}),
    "no day": ("preferences", "Save", {"Pause until": "2021-09-01"}),
    "resumed": ("preferences in Korean", "지금 다시 받기", {}),
    "fewer topics": ("unsubscribe", "Keep only these topics", {}),
    "one more step": ("subscribe", "Subscribe", {"Email address": "somebody@example.org", "I have read this": ""}),
    "did you mean": ("subscribe", "Subscribe", {"Email address": f"{'k' * 60}@gmial.com", "I have read this": ""}),
    "did you mean, of a new address": ("preferences", "Change address", {"New email address": "kim@naver.con"}),
    "no agreement": ("subscribe", "Subscribe", {"Email address": "somebody@example.org"}),
    "no name": ("subscribe", "Subscribe", {"Email address": "somebody@example.org", "Name": "\u202e"}),
    "no topic": ("subscribe", "Subscribe", {"Email address": "somebody@example.org", "Only these topics": ""}),
    "left": ("unsubscribe", "Unsubscribe from everything", {}),
    "subscribed again": ("preferences of who has left", "Subscribe again", {}),
    "asked for data": ("preferences", "Email me a link to my data", {}),
    "erased": ("erase", "Erase my data permanently", {}),
}


def paths(site: Site) -> dict[str, str]:
    person = site.add(interests="mobility;safety")
    korean = site.add("lee@example.org", language="ko", frequency="second", paused_until=site.now + timedelta(days=30))
    left = site.add("left@example.org", state="unsubscribed")
    return {
        "preferences": site.path(Purpose.PREFERENCES, person.ref),
        "preferences in Korean": site.path(Purpose.PREFERENCES, korean.ref),
        "preferences of who has left": site.path(Purpose.PREFERENCES, left.ref),
        "unsubscribe": site.path(Purpose.UNSUBSCRIBE, person.ref),
        "unsubscribe in Korean": site.path(Purpose.UNSUBSCRIBE, korean.ref),
        "unsubscribed": site.path(Purpose.UNSUBSCRIBE, left.ref),
        "undo": site.path(Purpose.UNDO, left.ref),
        "confirm": site.path(Purpose.CONFIRM, person.ref),
        "subscribe": "/subscribe",
        "subscribe in Korean": "/subscribe?lang=ko",
        "unknown": "/unsubscribe/nothing",
        "erase": site.path(Purpose.ERASE, person.ref),
        "erase in Korean": site.path(Purpose.ERASE, korean.ref),
        "data": site.path(Purpose.DATA, person.ref),
        "data in Korean": site.path(Purpose.DATA, korean.ref),
        "address": site.path(Purpose.ADDRESS, person.ref, extra=asked(site, person, "new@example.org")),
        "address in Korean": site.path(Purpose.ADDRESS, korean.ref, extra=asked(site, korean, "other@example.org")),
        "keep": site.path(Purpose.KEEP, person.ref, extra=asked_again(site, person)),
        "test": site.path(Purpose.TEST, "e" * 32),
    }


def asked_again(site: Site, person: Subscriber) -> str:
    with site.write() as session:
        detail = {"request": "nonce"}
        consent.record(session, person, ConsentKind.ASKED, ConsentMethod.RETENTION, site.now, detail=detail)
    return "nonce"


PAGE_LOOKS = combinations(
    [(320, "light"), (375, "dark"), (640, "light"), (1280, "dark")], [320, 375, 640, 1280], ["light", "dark"]
)
ANSWER_LOOKS = combinations([(320, "dark"), (1280, "light")], [320, 1280], ["light", "dark"])


@pytest.mark.parametrize(("width", "scheme"), PAGE_LOOKS)
def test_every_page_is_accessible_and_fits(site: Site, browser: Browser, scheme: str, width: int) -> None:
    wanted = "dark" if scheme == "dark" else "light"
    # The content policy forbids axe's own script; what the policy lets through is the next test's business.
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=wanted, bypass_csp=True)
    page, site.signup = context.new_page(), FULL
    for name, path in paths(site).items():
        page.goto(site.base_url + path)
        check(page, name, width)
    context.close()


@pytest.mark.parametrize(("width", "scheme"), ANSWER_LOOKS)
def test_every_answer_is_accessible_and_fits(site: Site, browser: Browser, scheme: str, width: int) -> None:
    wanted = "dark" if scheme == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=wanted, bypass_csp=True)
    page, known, site.signup = context.new_page(), paths(site), FULL
    for name, (where, button, fields) in ANSWERS.items():
        page.goto(site.base_url + known[where])
        page.evaluate("for (const form of document.forms) form.noValidate = true")
        for label, value in fields.items():
            box = page.get_by_label(label)
            box.fill(value) if value else box.check()
        if where == "subscribe":
            site.later(seconds=3)  # the form is not taken from who is quicker than people are
        with page.expect_navigation():
            page.get_by_role("button", name=button, exact=True).click()
        assert bool(page.locator(".problem").count()) is name.startswith("no "), name
        check(page, name, width)
    context.close()


def check(page: Page, name: str, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    violations = Axe().run(page, options=AXE).response["violations"]
    assert not violations, (name, [(one["id"], one["nodes"][0]["html"]) for one in violations])


def test_a_question_of_two_lines_stands_inside_its_frame(site: Site, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 800})
    page.goto(site.base_url + "/subscribe")
    script = """[...document.querySelectorAll('legend')].map(legend => {
        const [inner, frame, next] = [legend, legend.parentElement, legend.nextElementSibling].map(
            e => e.getBoundingClientRect());
        return inner.top > frame.top && inner.bottom <= next.top && inner.height > 24;
    })"""
    inside = page.evaluate(script)
    page.close()
    assert inside
    assert all(inside)


def test_a_page_works_without_script_and_under_its_own_policy(site: Site, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    person = site.add(interests="mobility")
    page.goto(site.base_url + site.path(Purpose.PREFERENCES, person.ref))
    page.get_by_label("Safety").check()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("status").inner_text() == "Your preferences have been saved."
    assert site.person().interests == "mobility;safety"
    page.goto(site.base_url + site.path(Purpose.UNSUBSCRIBE, person.ref))
    page.get_by_role("button", name="Unsubscribe from everything").click()
    assert site.person().state == "unsubscribed"
    page.get_by_role("button", name="Undo").click()
    assert site.person().state == "confirmed"
    assert not [text for text in complaints if "Content Security Policy" in text]
    context.close()


def test_a_scanner_that_runs_a_browser_changes_nothing(site: Site, browser: Browser) -> None:
    wanted = paths(site)
    before = site.dump()
    page = browser.new_page()
    for path in wanted.values():
        page.goto(site.base_url + path, wait_until="networkidle")
    page.close()
    assert site.dump() == before
