"""The look page in a browser: changed with and without scripts, shown at once, accessible, on a phone too."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine

from digest.app import App
from digest.testing import FrozenClock
from digest.web.app import desk_app
from digest.web.desk.local import OneTimeAddress
from tests.support import web_sample
from tests.support.served import served

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[tuple[str, Path]]:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    address = OneTimeAddress()
    app = desk_app(App(press.settings, sqlite_engine, FrozenClock(now)), 21, address)
    with served(app) as host:
        yield f"{host}{address.path}", tmp_path / "workspace"


def test_a_color_is_seen_at_once_and_saved_on_a_phone(browser: Browser, opened: tuple[str, Path]) -> None:
    address, workspace = opened
    page = browser.new_page(viewport={"width": 375, "height": 800}, color_scheme="dark")
    page.goto(address)
    page.goto(address.partition("/desk")[0] + "/desk/look")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert Axe().run(page, options={"iframes": False}).response["violations"] == []
    with page.expect_response("**/desk/look/try"):
        page.get_by_label("Masthead, links, buttons, Light").fill("#7a1f3d")
    page.locator("iframe[src*='7a1f3d']").first.wait_for(state="attached")
    page.frame_locator("iframe").first.locator("[style*='7a1f3d']").first.wait_for(state="attached")
    page.get_by_role("button", name="Save the look").press("Enter")
    page.get_by_text("The look is saved.").wait_for()
    assert "#7a1f3d" in (workspace / "templates" / "theme.toml").read_text()
    page.close()


def test_a_look_is_tried_without_scripts_in_korean(browser: Browser, opened: tuple[str, Path]) -> None:
    address, _ = opened
    context = browser.new_context(java_script_enabled=False, locale="ko")
    page = context.new_page()
    page.goto(address)
    page.goto(address.partition("/desk")[0] + "/desk/look")
    page.get_by_label("이름(한국어)", exact=True).fill("새 이름")
    page.get_by_role("button", name="보기").click()
    page.frame_locator("iframe").first.get_by_text("새 이름").first.wait_for(state="attached")
    assert page.locator("iframe").count() == 6
    context.close()
