"""Signing in to the desk in a real browser: accessible, on a phone too, in both languages, without scripts."""

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine

from digest.accounts import store, totp
from digest.app import App
from digest.runtime.db import session_scope
from digest.settings.web import DeskSettings
from digest.testing import FrozenClock
from digest.web.app import app_of
from tests.support import web_sample

pytestmark = pytest.mark.browser

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def office(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[tuple[str, store.NewAccount]]:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    settings = press.settings.model_copy(update={"desk": DeskSettings(enabled=True)})
    app = App(settings, sqlite_engine, FrozenClock(now))
    with session_scope(sqlite_engine) as session:
        made = store.add(session, "kim", ["approver"], now=now, secret=settings.suppression_key, name="Kim Minji")
    config = uvicorn.Config(app_of(app, shared_limits=False), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", made
    server.should_exit = True
    thread.join()


def test_an_approver_signs_in_and_approves_on_a_phone(
    browser: Browser, office: tuple[str, store.NewAccount], now: datetime
) -> None:
    home, made = office
    viewport = {"width": 375, "height": 700}
    context = browser.new_context(viewport=viewport, color_scheme="dark", java_script_enabled=True, locale="ko")  # type: ignore[arg-type]
    page = context.new_page()

    def look() -> None:
        assert Axe().run(page, options=AXE).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 375

    page.goto(f"{home}/desk")
    assert page.url.endswith("/desk/sign-in")
    look()
    page.fill("#login", "kim")
    page.fill("#password", "wrong password")
    page.fill("#code", "000000")
    page.click("button[type=submit]")
    assert page.get_by_role("alert").is_visible()
    look()
    page.fill("#password", made.password)
    page.fill("#code", totp.code(made.totp_secret, int(now.timestamp() // 30)))
    page.click("button[type=submit]")
    assert "Kim Minji" in page.inner_text("header")
    look()
    page.click("nav a[href$='/desk/approval']")
    look()
    page.click("main button[type=submit]")
    assert "Kim Minji" in page.inner_text("main")
    page.click("nav a[href$='/desk/preview']")
    assert "승인됨" in page.inner_text("header")
    context.close()
