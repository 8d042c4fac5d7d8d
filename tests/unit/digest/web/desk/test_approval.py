"""Approving at the desk: one person once by whatever route, exactly what was shown, and what changed since."""

import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from digest.accounts.models import Role
from digest.app import App
from digest.articles import store as articles
from digest.issues import store as issues
from digest.publish import lifecycle
from digest.publish.approval import approver_named
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from digest.testing import FrozenClock
from digest.web.app import desk_app
from digest.web.desk.local import OneTimeAddress
from tests.support.desk_office import SignedOffice
from tests.support.web_sample import HOME

pytestmark = pytest.mark.one_database


def approve(browser: TestClient, **other: str) -> tuple[int, str]:
    page = browser.get("/desk/approval").text
    fields = dict(re.findall(r'name="(issue|hash|form)" value="([^"]+)"', page))
    answer = browser.post("/desk/approval", data={**fields, **other})
    return answer.status_code, answer.text


def with_two_approvals(office: SignedOffice) -> SignedOffice:
    approval = office.app.settings.approval.model_copy(update={"required": 2})
    settings = office.app.settings.model_copy(update={"approval": approval})
    return replace(office, app=App(settings, office.app.engine, office.clock))


def retitle(office: SignedOffice, title: str) -> str:
    """Change the first article's title, with its history."""
    with session_scope(office.app.engine) as session:
        issue = issues.find(session, None)
        _, article = issues.items_of(session, issue)[0]
        articles._keep_history(session, article, office.clock.now())
        article.title, article.content_hash = title, "f" * 64
        session.add(article)
        return article.slug


def test_two_people_approve_and_nobody_twice(office: SignedOffice) -> None:
    office = with_two_approvals(office)
    kim, lee = office.signed_in("kim", Role.APPROVER), office.signed_in("lee", Role.APPROVER)
    assert approve(kim, hash="0" * 64)[0] == 409, "not what the page showed"
    assert approve(kim, issue="x")[0] == 400
    assert approve(kim)[0] == 303
    assert "1 of 2" in kim.get("/desk/approval").text
    assert 'action="/desk/approval"' not in kim.get("/desk/approval").text, "it offers no second time"
    app = office.app
    with session_scope(app.engine) as session:
        issue = issues.find(session, None, lock=True)
        again = approver_named(session, "kim")
        assert not lifecycle.approve(app.publisher, session, issue, again, office.clock.now()), "nor by command line"
    assert approve(lee)[0] == 303
    with session_scope(app.engine, read_only=True) as session:
        issue = issues.find(session, None)
        assert (issue.state, issue.approved_by) == ("approved", "kim; lee")
    assert office.acts()[0] == ("lee", "approve", "desk")


def test_the_local_desk_and_the_command_line_give_one_approval(office: SignedOffice, now: object) -> None:
    office = with_two_approvals(office)
    office.add("kim", Role.APPROVER)
    office.add("lee", Role.APPROVER)
    address = OneTimeAddress()
    local = desk_app(App(office.app.settings, office.app.engine, FrozenClock(now)), None, address)  # type: ignore[arg-type]
    with TestClient(local, base_url=HOME, follow_redirects=False) as desk:
        desk.get(address.path)
        assert approve(desk, by="nobody")[0] == 409
        assert approve(desk, by="kim")[0] == 303
        status, page = approve(desk, by="lee")
    assert status == 409
    assert "approved issue 21 on the command line already" in page
    with session_scope(office.app.engine) as session:
        issue, lee = issues.find(session, None, lock=True), approver_named(session, "lee")
        with pytest.raises(RefusedError):
            lifecycle.approve(office.app.publisher, session, issue, lee, office.clock.now())


def test_what_changed_since_is_shown_and_must_be_approved_again(office: SignedOffice) -> None:
    kim = office.signed_in("kim", Role.APPROVER)
    shown = kim.get("/desk/approval").text
    old = dict(re.findall(r'name="(issue|hash|form)" value="([^"]+)"', shown))
    assert approve(kim)[0] == 303
    slug = retitle(office, "Another title, <script>alert(1)</script>")
    page = kim.get("/desk/approval").text
    assert f"article {slug} changed" in page
    assert "<ins>+title: Another title, &lt;script&gt;" in page
    assert "<del>-title:" in page
    refused = kim.post("/desk/approval", data=old)
    assert (refused.status_code, "changed since this page was opened" in refused.text) == (409, True)
    assert approve(kim)[0] == 303
