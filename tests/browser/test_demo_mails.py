"""The mails that the demo delivers, one of each edition, in a real browser: phone and desktop, light and dark."""

import mailbox
import re
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Route
from sqlmodel import Session, select

from digest import app
from digest.articles.models import Media
from digest.workspace import create, demo
from tests.support.combinations import combinations

pytestmark = pytest.mark.browser

# Both fire on every mail: it has no landmarks, since mail apps put it into their own page.
AXE = {"rules": {"region": {"enabled": False}, "landmark-one-main": {"enabled": False}}}
BAD = {"serious", "critical"}


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, bytes]]:
    """The HTML of one mail of each edition, and the pictures by file name."""
    folder = tmp_path_factory.mktemp("demo")
    made = create.create(folder, sample=True)
    with app.open_app(folder) as works:
        create.import_sample(made, works)
        done = demo.run(works)
        with Session(works.engine) as session:
            pictures = {f"{m.hash}.{m.extension}": m.content for m in session.exec(select(Media))}
    parser, found = BytesParser(policy=policy.default), {}
    box = mailbox.Maildir(done.maildir, create=False)
    for key in box.iterkeys():
        part = parser.parsebytes(box.get_bytes(key)).get_body(("html",))
        if part is not None:
            html = part.get_content()
            found.setdefault(re.sub(r"/(preferences|unsubscribe)/[^\"'\s<]+", "", html), html)
    return list(found.values()), pictures


@pytest.mark.parametrize(
    ("width", "scheme"), combinations([(375, "dark"), (640, "light")], [375, 640], ["light", "dark"])
)
def test_every_edition_fits_is_accessible_and_asks_nobody_else(
    delivered: tuple[list[str], dict[str, bytes]], browser: Browser, width: int, scheme: str
) -> None:
    mails, pictures = delivered
    assert len(mails) >= 8
    asked: list[str] = []

    def answer(route: Route) -> None:
        name = Path(route.request.url).name
        if "/media/" in route.request.url and name in pictures:
            route.fulfill(body=pictures[name], content_type="image/jpeg")
        else:
            asked.append(route.request.url)
            route.abort()

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.route("**/*", answer)
    for html in mails:
        page.set_content(html, wait_until="load")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length") == 0
        found = Axe().run(page, options=AXE).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in BAD] == []
    page.close()
    assert asked == []
