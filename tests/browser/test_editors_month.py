"""An editor's whole month in the browser: written, ordered, checked, approved by two, sent, reported, corrected."""

import base64
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from digest.publish.publisher import Publisher
from digest.send.start import prepare_send
from tests.support import web_sample
from tests.support.editor import picture
from tests.support.served_desk import ServedDesk, look, served_desk
from tests.unit.digest.articles.test_pasted import WORD

pytestmark = pytest.mark.browser

PASTE = """([html]) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  document.getElementById("body").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def desk(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[ServedDesk]:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    approval = press.settings.approval.model_copy(update={"required": 2})
    settings = press.settings.model_copy(update={"approval": approval})
    with served_desk(Publisher(settings, press.engine, press.templates), now) as home:
        yield home


def test_a_month_without_a_terminal(browser: Browser, desk: ServedDesk) -> None:
    kim = desk.page(browser, "kim", "editor")

    def go(page: Page, path: str) -> None:
        page.goto(f"{desk.home}/desk{path}")

    def press(page: Page, name: str) -> None:
        page.get_by_role("button", name=name, exact=False).first.press("Enter")

    # Two articles: one in Korean, one pasted from Word with a picture.
    go(kim, "/articles/new")
    kim.fill("#title", "새 전차가 달립니다")
    kim.locator("summary", has_text="More").click()
    kim.select_option("#lang", "ko")
    kim.fill("#body", "월요일부터 **새 전차**가 달립니다.")
    press(kim, "Save")
    kim.wait_for_url("**done=saved")
    go(kim, "/articles/new")
    kim.fill("#title", "From Word, [name]")
    kim.evaluate(PASTE, [WORD.replace("iVBORw0KGgo=", _png())])
    expect(kim.locator("#body")).to_have_value(re.compile("# The title"))
    kim.get_by_label("Safety").check()
    press(kim, "Save")
    kim.wait_for_url("**done=saved")
    word = kim.url.split("/")[-1].split("?")[0]

    # Into the issue, first in its section; the matrix has it.
    go(kim, "/issue")
    row = kim.locator("li", has=kim.locator(f"a[href$='/articles/{word}']"))
    row.get_by_role("button", name="Add").press("Enter")
    expect(kim.locator(".done")).to_contain_text("is in the issue now")
    kim.locator(f"#a-{word}").get_by_role("button", name="Up").press("Enter")
    expect(kim.locator(".done")).to_contain_text("moved up")
    go(kim, "/preview")
    expect(kim.locator(".matrix")).to_contain_text("From Word")

    # As two readers: one has it, one has not.
    for interest, has_it in (("safety", 1), ("mobility", 0)):
        go(kim, f"/preview/edition?language=en&interests={interest}")
        expect(kim.locator(".articles").first.locator("li", has_text="From Word")).to_have_count(has_it)

    # The check finds what was planted, and leads to the article.
    go(kim, "/check")
    expect(kim.locator("main")).to_contain_text("placeholder")
    kim.locator("main a", has_text="From Word").last.click()
    kim.fill("#title", "From Word")
    press(kim, "Save")
    kim.wait_for_url("**done=saved")
    look(kim)

    # A test mail, and a copy for somebody without an account.
    go(kim, "/test")
    kim.fill("#addresses", "kim@example.org")
    press(kim, "Send the test")
    expect(kim.locator("table")).to_contain_text("accepted")
    go(kim, "/review")
    press(kim, "review link")
    copy = kim.input_value("#address")
    guest = browser.new_context().new_page()
    guest.goto(f"{desk.home}{copy[copy.index('/desk/copy/') :]}")
    expect(guest.locator("body")).to_contain_text("Review copy")
    assert guest.goto(f"{desk.home}/desk/approval") is not None
    assert guest.url.endswith("/desk/sign-in"), "it approves nothing"

    # Two people approve; a comma voids that, and the difference is shown.
    lee, park = desk.page(browser, "lee", "approver"), desk.page(browser, "park", "approver", width=375)
    for person, said in ((lee, "second person"), (park, "The issue is approved.")):
        go(person, "/approval")
        press(person, "Approve issue 21")
        expect(person.get_by_role("status").first).to_contain_text(said)
        look(person)
    go(kim, f"/articles/{word}")
    kim.fill("#summary", "A summary, changed.")
    press(kim, "Save")
    kim.wait_for_url("**done=saved")
    for person in (lee, park):
        go(person, "/approval")
        if person is lee:
            expect(person.locator("ins").first).to_contain_text("A summary, changed.")
        press(person, "Approve issue 21")

    # An operator sends; a worker delivers; the page follows.
    choi = desk.page(browser, "choi", "operator")
    go(choi, "/send")
    choi.get_by_label("Send it to").check()
    press(choi, "Send issue 21")
    expect(choi.locator("#progress")).to_contain_text("0 of")
    prepare_send(desk.app, 21).run(lambda _: None)
    expect(choi.locator("#progress")).to_contain_text("6 of 6")
    choi.locator("main a", has_text="Report").click()
    expect(choi.locator("main")).to_contain_text("6")
    look(choi)

    # It was wrong: exactly its readers get a correction.
    go(kim, "/corrections")
    kim.get_by_role("link", name="From Word").press("Enter")
    kim.locator("main button[type=submit], main form button").first.press("Enter")
    expect(kim.locator("main")).to_contain_text("Correction")


def _png() -> str:
    return base64.b64encode(picture("red", (400, 300))).decode()
