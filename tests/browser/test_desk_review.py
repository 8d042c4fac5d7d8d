"""Correcting and reviewing in a real browser: accessible, on a phone too, by keyboard, with and without scripts."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine, update

from digest.accounts import sessions, store
from digest.app import App
from digest.outbox.tables import DELIVERY
from digest.runtime.db import session_scope
from digest.settings.web import DeskSettings
from digest.testing import FrozenClock
from digest.web.app import app_of
from digest.web.desk.access import Access
from tests.support import web_sample

pytestmark = pytest.mark.browser

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}


@dataclass
class Office:
    """A desk that is served, with an editor who is signed in."""

    app: App
    home: str
    token: str

    def page(self, browser: Browser, width: int, scheme: str, **options: object) -> Page:
        viewport = {"width": width, "height": 800}
        context = browser.new_context(viewport=viewport, color_scheme=scheme, **options)  # type: ignore[arg-type]
        context.add_cookies([{"name": Access(self.app).cookie, "value": self.token, "url": self.home}])
        return context.new_page()


@pytest.fixture
def office(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[Office]:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    web_sample.send_out(press, now)
    settings = press.settings.model_copy(update={"desk": DeskSettings(enabled=True)})
    app, secret = App(settings, sqlite_engine, FrozenClock(now)), settings.suppression_key
    with session_scope(sqlite_engine) as session:
        session.execute(update(DELIVERY).values(state="accepted"))
        made = store.add(session, "kim", ["editor"], now=now, secret=secret, name="Kim Minji")
        token = sessions.begin(session, made.account, now=now, lasting=timedelta(hours=1), secret=secret)
    server = uvicorn.Server(uvicorn.Config(app_of(app, shared_limits=False), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield Office(app, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", token)
    server.should_exit = True
    thread.join()


def look(page: Page, width: int) -> None:
    assert Axe().run(page, options=AXE).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_editor_corrects_and_hands_out_a_review_link(browser: Browser, office: Office) -> None:
    page = office.page(browser, 375, "dark", locale="ko")
    page.goto(f"{office.home}/desk/corrections")
    look(page, 375)
    page.get_by_role("link", name="Five Korean cities").press("Enter")
    look(page, 375)
    page.get_by_role("button", name="3명").press("Enter")
    assert page.locator("a[href$='/desk/articles/correction-certified-cities']").is_visible()
    look(page, 375)

    page.goto(f"{office.home}/desk/review")
    page.get_by_role("button", name="검토용 링크 만들기").press("Enter")
    look(page, 375)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="복사").press("Enter")
    address = page.input_value("#address")
    page.get_by_role("button", name="복사했습니다").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == address

    guest = browser.new_context(viewport={"width": 320, "height": 700}, java_script_enabled=False).new_page()
    path = address[address.index("/desk/copy/") :]
    guest.goto(f"{office.home}{path}")
    assert guest.get_by_text("Review copy of issue 22").is_visible()
    guest.context.close()
    for width, scheme in ((320, "light"), (1280, "dark")):
        guest = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
        guest.goto(f"{office.home}{path}")
        look(guest, width)
        guest.locator("main a[href*='/edition?']").first.click()
        guest.frame_locator("iframe").first.get_by_text("Five Korean cities").first.wait_for()
        look(guest, width)
        guest.goto(f"{office.home}/desk/copy/nothing")
        look(guest, width)
        guest.context.close()
    page.context.close()
