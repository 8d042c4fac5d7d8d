"""The desk of a workspace with accounts, and browsers at it."""

import re
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.testclient import TestClient

from digest.accounts import audit, sessions, store, totp
from digest.accounts.models import Role
from digest.app import App
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.app import app_of
from digest.web.desk.access import Access
from tests.support.web_sample import HOME

FORM = re.compile(r'name="form" value="([^"]+)"')


@dataclass
class SignedOffice:
    """The desk of a workspace with accounts, and browsers at it."""

    app: App
    clock: FrozenClock
    secrets: dict[str, store.NewAccount] = field(default_factory=dict)

    def add(self, login: str, *roles: Role) -> store.NewAccount:
        with session_scope(self.app.engine) as session:
            made = store.add(
                session, login, list(roles), now=self.clock.now(), secret=self.app.settings.suppression_key
            )
        self.secrets[login] = made
        return made

    def code(self, login: str) -> str:
        return totp.code(self.secrets[login].totp_secret, int(self.clock.now().timestamp() // 30))

    def browser(self) -> TestClient:
        return TestClient(
            app_of(self.app, shared_limits=True), base_url=HOME, raise_server_exceptions=False, follow_redirects=False
        )

    def signed_in(self, login: str, *roles: Role) -> TestClient:
        """A browser with a session, without the page of its own: opening one costs what a hash does."""
        made, browser = self.add(login, *roles), self.browser()
        with session_scope(self.app.engine) as session:
            token = sessions.begin(
                session,
                made.account,
                now=self.clock.now(),
                lasting=timedelta(hours=1),
                secret=self.app.settings.suppression_key,
            )
        browser.cookies.set(Access(self.app).cookie, token)
        return browser

    def acts(self) -> list[tuple[str, str, str]]:
        with session_scope(self.app.engine, read_only=True) as session:
            return [(one.who, one.what, one.route) for one in audit.entries(session)]


def token_in(page: str) -> str:
    found = FORM.search(page)
    assert found, page[:500]
    return found[1]


def posted(browser: TestClient, path: str, *, at: str = "/desk/account", **fields: str) -> int:
    return browser.post(path, data={"form": token_in(browser.get(at).text), **fields}).status_code
