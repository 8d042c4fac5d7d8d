"""Correcting and reviewing in a real browser: accessible, on a phone too, by keyboard, with and without scripts."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Engine, update

from digest.outbox.tables import DELIVERY
from digest.runtime.db import session_scope
from tests.support import web_sample
from tests.support.served_desk import ServedDesk, look, served_desk

pytestmark = pytest.mark.browser


@pytest.fixture
def office(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[ServedDesk]:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    web_sample.send_out(press, now)
    with session_scope(sqlite_engine) as session:
        session.execute(update(DELIVERY).values(state="accepted"))
    with served_desk(press, now) as desk:
        yield desk


def test_an_editor_corrects_and_hands_out_a_review_link(browser: Browser, office: ServedDesk) -> None:
    page = office.page(browser, "kim", "editor", width=375, scheme="dark", locale="ko")
    page.goto(f"{office.home}/desk/corrections")
    look(page)
    page.get_by_role("link", name="Five Korean cities").press("Enter")
    look(page)
    page.get_by_role("button", name="3명").press("Enter")
    assert page.locator("a[href$='/desk/articles/correction-certified-cities']").is_visible()
    look(page)

    page.goto(f"{office.home}/desk/review")
    page.get_by_role("button", name="검토용 링크 만들기").press("Enter")
    look(page)
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
        look(guest)
        guest.locator("main a[href*='/edition?']").first.click()
        guest.frame_locator("iframe").first.get_by_text("Five Korean cities").first.wait_for()
        look(guest)
        guest.goto(f"{office.home}/desk/copy/nothing")
        look(guest)
        guest.context.close()
    page.context.close()
