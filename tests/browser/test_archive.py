"""Public pages in a browser: they fit, everyone can use them, and a link from a mail lands at its article."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine
from sqlmodel import select

from digest.app import App
from digest.issues import store as issue_store
from digest.publish import archive_notes
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.archive.exporting import export
from digest.web.public.audience import sign_up_form
from subscribers.links import LinkSigner, Purpose
from subscribers.models import Subscriber
from tests.support import web_sample
from tests.support.combinations import combinations
from tests.support.published import editions, publish_lines
from tests.support.served import served
from tests.unit.digest.web.conftest import KEY

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def public(shared_engine: Engine, shared_folder: Path, shared_day: datetime) -> Iterator[tuple[str, str]]:
    """The address of the public app, and the path of a view link."""
    now = shared_day
    press = web_sample.issue_21(shared_engine, shared_folder / "workspace", now)
    web_sample.send_out(press, now)
    publish_lines(press, range(100, 130), now)
    with session_scope(press.engine) as session:
        archive_notes.set_note(issue_store.find(session, 21), "*", "A figure is corrected in No. 22.", now)
        archive_notes.set_kept_out(issue_store.find(session, 120), now, kept_out=True)
    signer = LinkSigner([KEY], press.settings.publication.base_url)
    view = f"/view/{signer.token(Purpose.VIEW, editions(press)[1].content_hash)}"
    with served(web_sample.public(press, signer, FrozenClock(now))) as address:
        yield address, view


PAGES = (
    "/",
    "/archive?lang=ko&page=2",
    "/archive/21?lang=en",
    "/archive/21?lang=ko",
    "/archive/search?lang=en&q=city",
    "/archive/search?lang=ko&q=스마트&interest=mobility",
    "/archive/search?lang=en&q=" + "nothing" * 20,
    "/subscribe/embed?lang=ko",
    "/archive/120?lang=ko",
    "/nothing?lang=ko",
)


@pytest.mark.parametrize(
    ("width", "scheme"),
    combinations([(320, "light"), (375, "light"), (1280, "dark")], [320, 375, 1280], ["light", "dark"]),
)
def test_every_page_fits_and_is_accessible(browser: Browser, public: tuple[str, str], width: int, scheme: Any) -> None:
    address, view = public
    for path in (*PAGES, view):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        refused: list[str] = []
        page.on("console", lambda message, seen=refused: seen.append(message.text))  # type: ignore[misc]
        page.goto(address + path, wait_until="load")
        assert [text for text in refused if "Content Security Policy" in text] == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if width != 375:
            found = Axe().run(page).response["violations"]
            bad = [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] != "minor"]
            assert bad == [], path
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


def test_searching_works_without_script_and_leads_to_the_article(browser: Browser, public: tuple[str, str]) -> None:
    address, _ = public
    page = browser.new_context(java_script_enabled=False, viewport={"width": 375, "height": 800}).new_page()
    page.goto(f"{address}/archive?lang=en")
    page.get_by_label("Search the archive").fill("safety BUILDING")
    page.get_by_label("Interest").select_option(label="Safety")
    page.get_by_role("button", name="Search").click()
    link = page.get_by_role("link", name="Seoul brings smart safety to private building sites")
    assert page.get_by_label("Search the archive").input_value() == "safety BUILDING"
    link.click()
    assert page.url == f"{address}/archive/21?lang=en#seoul-private-sites"
    heading = page.get_by_role("heading", name="Seoul brings smart safety to private building sites")
    assert heading.is_visible()
    page.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_the_form_signs_up_from_another_site(
    browser: Browser, sqlite_engine: Engine, tmp_path: Path, now: datetime, script: bool
) -> None:
    press = web_sample.press_on(sqlite_engine, web_sample.workspace_in(tmp_path / "workspace"))
    signer = LinkSigner([KEY], press.settings.publication.base_url)
    with served(web_sample.public(press, signer, FrozenClock(now))) as address:
        form = sign_up_form(App(press.settings, press.engine, FrozenClock(now)), "ko")
        form = form.replace(press.settings.publication.base_url, address)
        (tmp_path / "town.html").write_text(
            f"<!doctype html><meta charset=utf-8><title>Town</title><h1>Town</h1>{form}", "utf-8"
        )
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        page.route("http://town.example/**", lambda route: route.fulfill(path=tmp_path / "town.html"))
        page.goto("http://town.example/news")
        page.get_by_label("이메일 주소").fill("new@example.org")
        page.get_by_label("선택한 분야와 공통 소식만").check()
        page.get_by_label("안전").check()
        page.get_by_role("button").click()
        page.wait_for_url(f"{address}/subscribe")
        assert page.get_by_role("status").is_visible()
        assert context.cookies() == []
        context.close()
    with session_scope(press.engine) as session:
        person = session.exec(select(Subscriber)).one()
    assert (person.address, person.state, person.interests, person.language) == (
        "new@example.org", "pending", "safety", "ko")  # fmt: skip


def test_the_exported_site_works_from_a_file(
    browser: Browser, sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    press: Publisher = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", now)
    web_sample.send_out(press, now)
    export(press, tmp_path / "site")
    page = browser.new_page(viewport={"width": 320, "height": 800})
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.goto((tmp_path / "site" / "index.html").as_uri())
    background = page.evaluate("getComputedStyle(document.querySelector('.button')).backgroundColor")
    assert background == "rgb(11, 79, 131)", "the style sheet is found"
    page.get_by_role("link", name="한국어").click()
    page.get_by_role("link", name="스마트시티 소식지 제21호").click()
    assert page.url.endswith("/archive/21/ko.html")
    page.wait_for_load_state("load")
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0) && document.images.length > 3")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert [v["id"] for v in Axe().run(page).response["violations"] if v["impact"] != "minor"] == []
    page.get_by_role("navigation").first.get_by_role("link", name="전체 호 보기").click()
    assert page.url.endswith("/site/archive/ko.html")
    assert failed == []
    page.close()
