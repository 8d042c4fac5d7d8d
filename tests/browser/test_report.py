"""The report's pages: they fit a phone, are accessible in light and dark, and a busy issue prints on two A4 pages."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine

from digest.workspace.report import account
from digest.workspace.report.page import ReportPages
from tests.support.busy_issue import BusyIssues
from tests.support.combinations import combinations

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(shared_engine: Engine, shared_folder: Path) -> list[str]:
    """Addresses of the pages of an issue with everything that can happen, in Korean and English, and of all issues."""
    now = datetime(2021, 8, 30, tzinfo=UTC)
    busy = BusyIssues(shared_engine, shared_folder / "workspace", now, random.Random(21), language="ko")
    busy.readers(700)
    for number in (1, 2):
        busy.come_back(busy.issue(number, window=100), number, share=0.1)
    settings = busy.app.settings
    english = settings.publication.model_copy(update={"language": "en"})
    pages = ReportPages(settings, busy.app.templates, busy.clock.now())
    report = account.of_issue(busy.app, 2)
    pages.write(shared_folder / "ko.html", report)
    pages.write(shared_folder / "all.html", account.overview(busy.app))
    replace(pages, settings=settings.model_copy(update={"publication": english})).write(
        shared_folder / "en.html", report
    )
    return [(shared_folder / name).as_uri() for name in ("ko.html", "all.html", "en.html")]


@pytest.mark.parametrize(
    ("width", "scheme"),
    combinations([(320, "dark"), (375, "dark"), (1280, "light")], [320, 375, 1280], ["light", "dark"]),
)
def test_the_pages_fit_and_are_accessible(browser: Browser, files: list[str], width: int, scheme: str) -> None:
    for address in files[:2]:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(address)
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [(v["id"], v["nodes"][0]["html"]) for v in Axe().run(page).response["violations"]] == []
        page.close()


def test_a_busy_issue_prints_on_two_pages(browser: Browser, files: list[str]) -> None:
    for address, most in zip(files, (2, 1, 2), strict=True):
        page = browser.new_page(color_scheme="dark")
        page.goto(address)
        printed = page.pdf(prefer_css_page_size=True, print_background=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= most
        page.close()
