"""The issue board in a real browser: dragging, the keyboard, two tabs, a phone, and without scripts."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import Engine

from digest.accounts import sessions, store
from digest.accounts.models import Role
from digest.app import App
from digest.runtime.db import session_scope
from digest.settings.web import DeskSettings
from digest.testing import FrozenClock
from digest.web.app import app_of
from digest.web.desk.access import Access
from tests.support import web_sample

pytestmark = pytest.mark.browser

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def office(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[tuple[str, dict[str, str]]]:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    app = App(press.settings.model_copy(update={"desk": DeskSettings(enabled=True)}), sqlite_engine, FrozenClock(now))
    secret = app.settings.suppression_key
    with session_scope(sqlite_engine) as session:
        kim = store.add(session, "kim", [Role.EDITOR], now=now, secret=secret).account
    with session_scope(sqlite_engine) as session:
        token = sessions.begin(session, kim, now=now, lasting=timedelta(hours=1), secret=secret)
    server = uvicorn.Server(
        uvicorn.Config(app_of(app, shared_limits=False), host="127.0.0.1", port=0, log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    home = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield home, {"name": Access(app).cookie, "value": token, "url": home}
    server.should_exit = True
    thread.join()


def opened(browser: Browser, cookie: dict[str, str], width: int = 1280, **options: object) -> BrowserContext:
    context = browser.new_context(viewport={"width": width, "height": 800}, **options)  # type: ignore[arg-type]
    context.add_cookies([cookie])  # type: ignore[list-item]
    return context


def rows(page: Page) -> list[str]:
    return [row.get_attribute("data-slug") or "" for row in page.locator("[data-section=special] > li").all()]


def look(page: Page, width: int) -> None:
    assert Axe().run(page, options=AXE).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_editor_drags_and_the_order_is_saved(browser: Browser, office: tuple[str, dict[str, str]]) -> None:
    home, cookie = office
    with opened(browser, cookie) as context:
        page, other = context.new_page(), context.new_page()
        other.goto(f"{home}/desk/issue")
        page.goto(f"{home}/desk/issue")
        page.wait_for_selector("#summary dd")
        look(page, 1280)
        first, second, third = rows(page)
        page.locator(f"#a-{first} .hint").drag_to(
            page.locator(f"#a-{third} .hint"), target_position={"x": 300, "y": 18}
        )
        page.get_by_text("Order saved").first.wait_for()
        moved = rows(page)
        assert moved != [first, second, third]
        page.reload()
        assert rows(page) == moved
        other.locator(f"button[value='down {first}']").click()
        other.get_by_text("Someone has changed the issue").first.wait_for()
        assert rows(other) == moved, "the other tab shows what is, and changed nothing"
        context.set_offline(True)
        other.locator(f"button[value='up {moved[1]}']").click()
        other.get_by_text("connection was lost").wait_for()


def test_the_board_works_by_keyboard_alone(browser: Browser, office: tuple[str, dict[str, str]]) -> None:
    home, cookie = office
    with opened(browser, cookie, 375, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"{home}/desk/issue")
        first, second, third = rows(page)
        page.locator(f"button[value='down {first}']").focus()
        page.keyboard.press("Enter")
        page.locator(f"button[value='down {first}']:focus").wait_for()
        page.keyboard.press("Enter")
        page.locator(f"button[value='up {first}']:focus").wait_for()
        assert rows(page) == [second, third, first]
        page.locator(f"#a-{first} a.open").press("Enter")
        page.locator(f"button[value='hold {first}']").press("Enter")
        page.get_by_text("goes into the next issue").first.wait_for()
        assert rows(page) == [second, third]
        look(page, 375)


def test_board_and_texts_work_without_scripts_on_a_phone(browser: Browser, office: tuple[str, dict[str, str]]) -> None:
    home, cookie = office
    with opened(browser, cookie, 320, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{home}/desk/issue")
        first, second, third = rows(page)
        page.locator(f"button[value='up {third}']").click()
        assert rows(page) == [first, third, second]
        assert page.evaluate("document.activeElement.value") == f"up {third}"
        page.goto(f"{home}/desk/issue/texts")
        page.fill("#subject-en", "Drones over Goyang")
        page.locator("main form button").click()
        assert page.input_value("#subject-en") == "Drones over Goyang"
    with opened(browser, cookie, 375) as context:
        page = context.new_page()
        page.goto(f"{home}/desk/issue/texts")
        page.fill("#subject-ko", "고양의 드론")
        assert page.locator(".phone [data-from=subject-ko]").inner_text() == "고양의 드론"
        assert "6 characters" in page.locator("[data-for=subject-ko]").inner_text()
        look(page, 375)
