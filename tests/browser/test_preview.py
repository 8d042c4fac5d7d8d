"""The editors' desk in a browser: it fits, it can be used by everyone, dark is dark, and a saved file shows itself."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine

from digest.publish.publisher import Publisher
from digest.testing import FrozenClock
from digest.web.app import preview_app
from digest.web.desk import edition_list, preview_views
from tests.support import web_sample
from tests.support.combinations import combinations
from tests.support.served import served

pytestmark = pytest.mark.browser

PAGES = ["/", "/?language=en&page=2", "/edition?language=en&interests=mobility&reader=tomas", "/edition?language=ko&interests=*&view=text",
         "/reader?address=@example", "/reader/nobody", "/slot/view"]  # fmt: skip


@pytest.fixture(scope="module")
def press(shared_engine: Engine, shared_folder: Path, shared_day: datetime) -> Publisher:
    return web_sample.issue_21(shared_engine, shared_folder / "workspace", shared_day)


@pytest.fixture(scope="module")
def desk(press: Publisher, shared_day: datetime) -> Iterator[str]:
    """A desk for all tests; one of them changes an article, of which no other one reads."""
    app = preview_app(press, 21, FrozenClock(shared_day), reimport=lambda: web_sample.import_into(press, shared_day))
    with served(app) as address:
        yield address


def open_page(browser: Browser, url: str, *, width: int = 1280, scheme: Any = "light") -> Page:
    """A page that may ask nobody but the desk."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if "://127.0.0.1" not in request.url else None)
    page.goto(url, wait_until="load")
    assert [asked for asked in outside if not asked.startswith("data:")] == []
    return page


@pytest.mark.parametrize(
    ("width", "scheme"), combinations([(375, "dark"), (1280, "light")], [375, 1280], ["light", "dark"])
)
def test_every_page_fits_and_is_accessible(
    browser: Browser, desk: str, width: int, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in PAGES:
        monkeypatch.undo()
        if path.startswith("/?"):  # six editions are many
            monkeypatch.setattr(preview_views, "MOST_COLUMNS", 2)
            monkeypatch.setattr(edition_list, "MOST_COLUMNS", 2)
            monkeypatch.setattr(edition_list, "PAGE", 1)
        page = open_page(browser, desk + path, width=width, scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        # The frames hold mails, which have checks of their own; this is about the desk.
        found = Axe().run(page, options={"iframes": False}).response["violations"]
        serious = [
            (v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in {"serious", "critical", "moderate"}
        ]
        assert serious == [], path
        page.close()


def test_light_and_dark_stand_side_by_side_whatever_the_system_prefers(browser: Browser, desk: str) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        page = open_page(browser, desk + "/edition?language=en&interests=mobility&width=600", scheme=scheme)
        seen = []
        for frame in page.frames[1:]:
            colour = frame.locator("h3").first.evaluate("element => getComputedStyle(element).color")
            seen.append(sum(map(int, re.findall(r"\d+", colour)[:3])) > 3 * 128)
        grounds[scheme] = seen
        page.close()
    assert grounds == {"light": [False, True], "dark": [False, True]}, (
        "dark ink in the first frame, light in the second"
    )


def test_a_frame_shows_its_pictures_at_its_own_width(browser: Browser, desk: str) -> None:
    page = open_page(browser, desk + "/edition?language=en&interests=mobility&scheme=light")
    widths = []
    for number, frame in enumerate(page.frames[1:]):
        page.locator("iframe").nth(number).scroll_into_view_if_needed()
        loaded = "document.images.length > 0 && [...document.images].every(image => image.naturalWidth > 0)"
        frame.wait_for_function(loaded, polling=100)
        widths.append(frame.evaluate("innerWidth"))
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a mail must not scroll sideways"
    assert widths == [600, 375]
    page.close()


def test_a_script_in_a_frame_would_not_run(browser: Browser, desk: str) -> None:
    page = open_page(browser, desk + "/edition?language=en&interests=*&width=600&scheme=light")
    sandbox = page.locator("iframe").first.get_attribute("sandbox")
    assert sandbox is not None
    assert "allow-scripts" not in sandbox
    assert "allow-same-origin" not in sandbox
    page.close()


def test_a_saved_article_appears_by_itself(browser: Browser, desk: str, press: Publisher) -> None:
    page = open_page(browser, desk + "/edition?language=en&interests=mobility&width=600&scheme=light")
    page.get_by_text("Follows your files").wait_for()
    page.wait_for_timeout(1500)  # the watcher's first round; a change before it is not promised to be noticed
    article = press.settings.workspace / "articles" / "wsce-2021.md"
    article.write_text(article.read_text("utf-8").replace("closes in Goyang", "ends in rain"), encoding="utf-8")
    page.locator("dd", has_text="World Smart City Expo 2021 ends in rain").first.wait_for(timeout=20_000)
    page.frame_locator("iframe").first.get_by_text("ends in rain").first.wait_for(timeout=20_000)
    page.close()


def test_everything_but_the_reload_works_without_scripts(browser: Browser, desk: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(desk)
    page.get_by_label("As a given reader").fill("seoyeon")
    page.get_by_role("button", name="Look up").click()
    page.get_by_role("heading", name="As 이서연").wait_for()
    page.get_by_role("link", name="All editions").click()
    page.get_by_label("Mobility").check()
    page.get_by_role("button", name="Show").click()
    page.get_by_role("heading", name="Edition en 2").wait_for()
    page.get_by_role("link", name="Plain text").click()
    assert page.locator("iframe").count() == 1
    context.close()


def test_every_control_can_be_reached_by_keyboard_and_shows_its_focus(browser: Browser, desk: str) -> None:
    page = open_page(browser, desk)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.locator(".skip").evaluate("element => element.getBoundingClientRect().width") > 100
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "address":
            break
    assert page.evaluate("document.activeElement.id") == "address"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.close()
