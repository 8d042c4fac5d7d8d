"""An editor's whole month in the browser: written, ordered, checked, approved by two, sent, reported, corrected.

Once as at a desk, and once as on a phone in the dark with nothing but the keyboard.
"""

import base64
import mailbox
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from digest.accounts import store, totp
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.send.start import prepare_send
from tests.support import web_sample
from tests.support.editor import picture
from tests.support.hands import Hands
from tests.support.served_desk import ServedDesk, look, served_desk
from tests.unit.digest.articles.test_pasted import WORD

pytestmark = pytest.mark.browser

PASTE = """([html]) => {
  const data = new DataTransfer();
  data.setData("text/html", html);
  document.getElementById("body").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""
FAULTS = "See [here](http://127.0.0.1/plan) and [the plan](https://bit.ly/x?utm_source=us)."
FOUND = ["looks like a placeholder", "“here” does not say", "hides its destination", "contains utm_source"]
SLOTS = re.compile(
    rb"http://127.0.0.1:8025/(test|view|preferences|unsubscribe)/[\w.-]+|This is a test mail. Its personal links have no effect."
)


@pytest.fixture
def desk(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[ServedDesk]:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    approval = press.settings.approval.model_copy(update={"required": 2})
    settings = press.settings.model_copy(update={"approval": approval})
    with served_desk(Publisher(settings, press.engine, press.templates), now) as home:
        yield home


@dataclass
class Office:
    """Who takes part, all with the same hands on the same kind of device."""

    browser: Browser
    desk: ServedDesk
    keyboard: bool
    width: int
    scheme: str

    def enter(self, login: str, role: str) -> Hands:
        """Return a person on the desk's first page."""
        page = self.desk.page(self.browser, login, role, width=self.width, scheme=self.scheme)
        page.goto(f"{self.desk.home}/desk")
        return Hands(page, self.keyboard)

    def sign_in(self, login: str, role: str, now: datetime) -> Hands:
        """Return a person who came to the desk by its form."""
        with session_scope(self.desk.app.engine) as session:
            secret = self.desk.app.settings.suppression_key
            made = store.add(session, login, [role], now=now, secret=secret, name=login.title())
        viewport = {"width": self.width, "height": 800}
        page = self.browser.new_context(viewport=viewport, color_scheme=self.scheme).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(20_000)
        person = Hands(page, self.keyboard)
        page.goto(f"{self.desk.home}/desk")
        look(page)
        person.write("#login", login)
        person.write("#password", made.password)
        person.write("#code", totp.code(made.totp_secret, int(now.timestamp() // 30)))
        person.use("button", "Sign in")
        return person

    def sent(self) -> list[mailbox.MaildirMessage]:
        """Return what has been delivered so far."""
        settings = self.desk.app.settings
        return list(mailbox.Maildir(settings.workspace / settings.delivery.maildir))

    def sent_to(self, address: str) -> list[bytes]:
        """Return the text and the HTML that an address got, without what is written for one reader."""
        mail = next(mail for mail in self.sent() if address in mail["To"])
        parts = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_maintype() == "text"]
        return [SLOTS.sub(b"", part) for part in parts if isinstance(part, bytes)]


@pytest.mark.parametrize(
    ("keyboard", "width", "scheme"), [(False, 1280, "light"), (True, 375, "dark")], ids=["mouse", "keyboard-on-a-phone"]
)
def test_a_month_without_a_terminal(
    browser: Browser, desk: ServedDesk, now: datetime, keyboard: bool, width: int, scheme: str
) -> None:
    office = Office(browser, desk, keyboard, width, scheme)
    kim = office.sign_in("kim", "editor", now)
    page = kim.page

    # Two articles: one in Korean, one pasted from Word with a picture.
    kim.go("Articles")
    look(page)
    kim.use("link", "Write an article")
    kim.write("#title", "새 전차가 달립니다")
    kim.write("#body", "월요일부터 **새 전차**가 달립니다.")
    kim.use_one(page.locator("summary", has_text="More"))
    kim.choose("#lang", "한국어")
    look(page)
    kim.use("button", "Save")
    page.wait_for_url("**done=saved")
    kim.go("Articles")
    kim.use("link", "Write an article")
    kim.write("#title", "From Word, [name]")
    page.evaluate(PASTE, [WORD.replace("iVBORw0KGgo=", base64.b64encode(picture("red", (400, 300))).decode())])
    expect(page.locator("#body")).to_have_value(re.compile("# The title"))
    clean = page.input_value("#body")
    kim.write("#body", f"{clean}\n\n{FAULTS}")
    kim.tick("Safety")
    kim.use("button", "Save")
    page.wait_for_url("**done=saved")
    slug = page.url.split("/")[-1].split("?")[0]

    # Into the issue, first in its section; the matrix has it.
    kim.go("Issue")
    look(page)
    row = page.locator("li", has=page.locator(f"a[href$='/articles/{slug}']"))
    kim.use("button", "Add", row)
    expect(page.locator(".done")).to_contain_text("is in the issue now")
    kim.use("button", "Up", page.locator(f"#a-{slug}"))
    expect(page.locator(".done")).to_contain_text("moved up")
    kim.go("Preview")
    expect(page.locator(".matrix")).to_contain_text("From Word")
    look(page)

    # As two readers: one has it, one has not.
    for interest, has_it in (("Safety", 1), ("Mobility", 0)):
        kim.tick(interest)
        kim.use("button", "Show")
        expect(page.locator(".articles").first.locator("li", has_text="From Word")).to_have_count(has_it)
        look(page)
        kim.go("Preview")

    # The check finds what was planted, and leads to the place.
    kim.go("Check")
    look(page)
    for fault in FOUND:
        expect(page.locator("main")).to_contain_text(fault)
    kim.use_one(page.locator("main a[href$='#body']", has_text="From Word").first)
    kim.write("#title", "From Word")
    kim.write("#body", clean.replace("# The title", "Trams"))
    kim.use("button", "Save")
    page.wait_for_url("**done=saved")
    kim.go("Check")
    for fault in FOUND:
        expect(page.locator("main")).not_to_contain_text(fault)

    # A test mail; and a copy for a person without an account, who approves nothing.
    kim.go("Preview")
    kim.use("link", "Send a test to yourself")
    look(page)
    kim.write("#addresses", "kim@example.org")
    kim.use("button", "Send the test")
    expect(page.locator("table")).to_contain_text("accepted")
    kim.go("Review")
    kim.use("button", "Make a review link")
    copy = page.input_value("#address")
    look(page)
    guest = browser.new_context().new_page()
    guest.goto(f"{desk.home}{copy[copy.index('/desk/copy/') :]}")
    expect(guest.locator("body")).to_contain_text("Review copy")
    guest.goto(f"{desk.home}/desk/approval")
    assert guest.url.endswith("/desk/sign-in")

    # Two people approve; a changed word voids that, and the difference is shown.
    lee, park = office.enter("lee", "approver"), office.enter("park", "approver")
    for person, said in ((lee, "second person"), (park, "The issue is approved.")):
        approve(person, said)
        look(person.page)
    kim.go("Articles")
    kim.use("link", "From Word")
    kim.write("#summary", "A summary, changed.")
    kim.use("button", "Save")
    page.wait_for_url("**done=saved")
    kim.go("Preview")
    kim.use("link", "Send a test to yourself")
    kim.write("#addresses", "kim@example.net")
    kim.use("button", "Send the test")
    expect(page.locator("table")).to_contain_text("accepted")
    approve(lee, "second person", before="A summary, changed.")
    approve(park, "The issue is approved.")

    # An operator sends; a worker delivers; the page follows.
    choi = office.enter("choi", "operator")
    look(choi.page)
    choi.go("Send")
    look(choi.page)
    choi.tick("Send it to 6 readers")
    choi.use("button", "Send issue 21")
    expect(choi.page.locator("#progress")).to_contain_text("0 of 6")
    already = len(office.sent())
    prepare_send(desk.app, 21).run(lambda _: None)
    expect(choi.page.locator("#progress")).to_contain_text("6 of 6")
    look(choi.page)
    assert len(office.sent()) == already + 6
    assert office.sent_to("kim@example.net") == office.sent_to("anna@example.org"), "the test was what readers got"
    choi.use("link", "Report", choi.page.locator("main"))
    expect(choi.page.locator("main")).to_contain_text("6")
    look(choi.page)

    # It was wrong: exactly its readers get a correction.
    kim.go("Report")
    kim.use("link", "Correct an article")
    look(page)
    kim.use("link", "Correct From Word")
    look(page)
    kim.use_one(page.locator("main form button").first)
    expect(page.locator("main")).to_contain_text("is the draft of the correction")
    for person, last in ((kim, "Look"), (kim, "Month"), (choi, "Log")):
        person.go(last)
        look(person.page)


def approve(person: Hands, said: str, before: str = "") -> None:
    """Read what there is to approve, and approve it."""
    person.go("Approve")
    if before:
        expect(person.page.locator("ins").first).to_contain_text(before)
    person.use("button", "Approve issue 21")
    expect(person.page.get_by_role("status").first).to_contain_text(said)
