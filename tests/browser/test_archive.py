"""Public pages in a browser: they fit, everyone can use them, and a link from a mail lands at its article."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine

from digest.testing import FrozenClock
from subscribers.links import LinkSigner, Purpose
from tests.unit.digest.web import sample
from tests.unit.digest.web.conftest import KEY
from tests.unit.digest.web.published import editions
from tests.unit.digest.web.served import served

pytestmark = pytest.mark.browser


@pytest.fixture
def public(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> Iterator[tuple[str, str]]:
    """The address of the public app, and the path of a view link."""
    press = sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    sample.send_out(press, now)
    signer = LinkSigner([KEY], press.settings.publication.base_url)
    view = f"/view/{signer.token(Purpose.VIEW, editions(press)[1].content_hash)}"
    with served(sample.public(press, signer, FrozenClock(now))) as address:
        yield address, view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_is_accessible(browser: Browser, public: tuple[str, str], scheme: Any) -> None:
    address, view = public
    for path in ("/", "/archive?lang=ko", "/archive/21?lang=en", "/archive/21?lang=ko", view, "/nothing?lang=ko"):
        for width in (320, 1280):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            refused: list[str] = []
            page.on("console", lambda message, seen=refused: seen.append(message.text))  # type: ignore[misc]
            page.goto(address + path, wait_until="load")
            assert [text for text in refused if "Content Security Policy" in text] == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            found = Axe().run(page).response["violations"]
            bad = [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] != "minor"]
            assert bad == [], (path, width)
            page.close()


def test_a_link_from_a_mail_lands_at_its_article(browser: Browser, public: tuple[str, str]) -> None:
    address, _ = public
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{address}/archive/21?lang=en#seoul-private-sites", wait_until="load")
    heading = page.get_by_role("heading", name="Seoul brings smart safety to private building sites")
    top = heading.evaluate("element => element.getBoundingClientRect().top")
    assert 0 <= top < 400
    page.close()


def test_pictures_are_shown_under_whatever_name_the_server_was_opened(
    browser: Browser, public: tuple[str, str]
) -> None:
    """The mail names pictures by base_url; the page shows them from the server that shows the page."""
    address, _ = public
    page = browser.new_page()
    page.goto(f"{address}/archive/21", wait_until="load")
    sources = page.evaluate("[...document.images].map(image => [image.getAttribute('src'), image.naturalWidth])")
    assert sources
    assert all(source.startswith("/media/") and width > 0 for source, width in sources)
    page.close()
