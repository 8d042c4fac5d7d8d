"""Writing articles in a real browser: by keyboard, from Word, with pictures, on a phone, offline, without scripts."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from digest.articles import store
from digest.runtime.db import session_scope
from tests.support import web_sample
from tests.support.editor import picture
from tests.support.served_desk import ServedDesk, look, served_desk
from tests.unit.digest.articles.test_pasted import WORD

pytestmark = pytest.mark.browser

PASTE = """([html]) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  data.setData("text/plain", "plain");
  const area = document.getElementById("body");
  area.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def desk(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[ServedDesk]:
    with served_desk(web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now), now) as home:
        yield home


def test_an_article_is_written_with_the_keyboard_only(browser: Browser, desk: ServedDesk) -> None:
    page = desk.page(browser, "kim", "editor")
    page.goto(f"{desk.home}/desk/articles")
    look(page)
    page.get_by_role("link", name="Write an article").focus()
    page.keyboard.press("Enter")
    page.locator("#title").focus()
    page.keyboard.type("New trams")
    page.locator("#body").focus()
    page.keyboard.type("Trams ")
    page.get_by_role("button", name="Bold").press("Enter")
    assert page.input_value("#body") == "Trams ****"
    page.locator("#body").fill("Trams **run** again.")
    shown = page.frame_locator("#preview")
    expect(shown.locator("strong", has_text="run")).to_be_visible()
    look(page)
    page.locator("#title").press("Enter")
    page.wait_for_url("**/new-trams?done=saved")
    look(page)
    with session_scope(desk.app.engine, read_only=True) as session:
        assert store.get(session, "new-trams").body == "Trams **run** again."


def test_the_toolbar_asks_for_what_a_link_and_a_picture_need(
    browser: Browser, desk: ServedDesk, tmp_path: Path
) -> None:
    page = desk.page(browser, "han", "editor")
    page.goto(f"{desk.home}/desk/articles/new")
    answers = ["www.example.org/a (b)", "A red tram", None]
    page.on("dialog", lambda one: one.accept(said) if (said := answers.pop(0)) is not None else one.dismiss())
    page.fill("#title", "Bridge")
    page.fill("#body", "It is safe now.")
    page.evaluate("document.getElementById('body').setSelectionRange(6, 10)")
    page.get_by_role("button", name="Link").click()
    file = tmp_path / "tram.png"
    file.write_bytes(picture("red", (40, 30)))
    page.set_input_files("[data-picture]", file)
    expect(page.locator("#body")).to_have_value(
        re.compile(
            r"^It is \[safe\]\(https://www\.example\.org/a%20%28b%29\) now\.\n\n!\[A red tram\]\(images/\w+\.png\)\n$"
        )
    )
    before = page.input_value("#body")
    page.get_by_role("button", name="Link").click()
    assert page.input_value("#body") == before, "dismissed: nothing is inserted"
    expect(page.frame_locator("#preview").get_by_role("img", name="A red tram")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**done=saved")


def test_what_word_copies_is_clean_and_a_lost_line_loses_nothing(browser: Browser, desk: ServedDesk) -> None:
    page = desk.page(browser, "lee", "editor", width=375, scheme="dark", locale="ko")
    page.goto(f"{desk.home}/desk/articles/new")
    page.fill("#title", "워드에서 온 글")
    page.evaluate(PASTE, [WORD])
    expect(page.locator("#body")).to_have_value(re.compile(r"# The title"))
    assert "- First\n  - Nested" in page.input_value("#body")
    assert "Mso" not in page.input_value("#body")
    page.route("**/tools/keep", lambda route: route.abort())
    page.locator("#body").press_sequentially(" 더")
    expect(page.locator("#kept")).to_contain_text("연결이 끊겨")
    page.unroute("**/tools/keep")
    expect(page.locator("#kept")).to_contain_text("임시 보관")
    look(page)
    other = desk.page(browser, "lee", width=375)
    other.goto(f"{desk.home}/desk/articles/new?unsaved=yes")
    assert other.input_value("#title") == "워드에서 온 글"


def test_without_scripts_an_article_with_a_picture_is_saved(browser: Browser, desk: ServedDesk, tmp_path: Path) -> None:
    page = desk.page(browser, "park", "editor", width=320, java_script_enabled=False)
    page.goto(f"{desk.home}/desk/articles/new")
    page.fill("#title", "Without scripts")
    page.fill("#body", "It works.")
    file = tmp_path / "tram.png"
    file.write_bytes(picture("red", (40, 30)))
    page.set_input_files("#upload", file)
    page.fill("#upload_alt", "A tram")
    page.get_by_role("button", name="Save").click()
    assert page.url.endswith("/without-scripts?done=saved")
    page.get_by_role("button", name="Show preview").click()
    expect(page.frame_locator("#preview").get_by_role("img", name="A tram")).to_be_visible()
