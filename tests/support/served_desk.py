"""The desk of the sample on a real server, with people who are signed in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from digest.accounts import sessions, store
from digest.app import App
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.settings.web import DeskSettings
from digest.testing import FrozenClock
from digest.web.app import app_of
from digest.web.desk.access import Access
from tests.support.served import served

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}


@dataclass
class ServedDesk:
    """A desk that is served."""

    app: App
    home: str

    def page(
        self, browser: Browser, login: str, *roles: str, width: int = 1280, scheme: str = "light", **options: object
    ) -> Page:
        """Return a browser's page with a session of this person, who gets an account if they have none."""
        secret, now = self.app.settings.suppression_key, self.app.clock.now()
        with session_scope(self.app.engine) as session:
            account = store.by_login(session, login)
            if account is None:
                account = store.add(session, login, list(roles), now=now, secret=secret, name=login.title()).account
            token = sessions.begin(session, account, now=now, lasting=timedelta(hours=9), secret=secret)
        viewport = {"width": width, "height": 800}
        context = browser.new_context(viewport=viewport, color_scheme=scheme, **options)  # type: ignore[arg-type]
        context.add_cookies([{"name": Access(self.app).cookie, "value": token, "url": self.home}])
        page = context.new_page()
        page.set_default_timeout(20_000)
        return page


@contextmanager
def served_desk(press: Publisher, now: datetime) -> Iterator[ServedDesk]:
    """Serve the desk of a workspace for the time of a with block."""
    settings = press.settings.model_copy(update={"desk": DeskSettings(enabled=True)})
    app = App(settings, press.engine, FrozenClock(now))
    with served(app_of(app, shared_limits=False)) as home:
        yield ServedDesk(app, home)


def look(page: Page) -> None:
    """Hold a page to the rules of accessibility, and to its width."""
    page.wait_for_load_state("load")
    found = Axe().run(page, options=AXE).response["violations"]
    faults = [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]
    assert not faults, "\n".join([page.url, *faults])
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
