"""Sending from the desk: confirmed, frozen once, left to workers; held, released and withdrawn with a reason."""

import re

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from digest.accounts.audit import ActorRoute
from digest.accounts.models import Role
from digest.issues import store as issues
from digest.issues.models import Issue
from digest.outbox import operations
from digest.outbox import store as outbox
from digest.outbox.states import State
from digest.publish import lifecycle
from digest.publish.approval import Approver
from digest.runtime.db import session_scope
from tests.support.desk_office import SignedOffice, posted

pytestmark = pytest.mark.one_database


@pytest.fixture
def approved(office: SignedOffice) -> SignedOffice:
    with session_scope(office.app.engine) as session:
        issue, now = issues.find(session, None, lock=True), office.clock.now()
        lifecycle.approve(office.app.publisher, session, issue, Approver("Kim", "kim", ActorRoute.DESK), now)
    return office


def state(office: SignedOffice) -> tuple[str, str]:
    with session_scope(office.app.engine, read_only=True) as session:
        issue = issues.find(session, 21)
        return issue.state, issue.held_reason if issue.held else ""


def send(browser: TestClient, **other: str) -> int:
    page = browser.get("/desk/send").text
    fields = dict(re.findall(r'name="(hash|form)" value="([^"]+)"', page))
    return browser.post("/desk/send", data={**fields, **other}).status_code


def test_a_send_is_confirmed_and_frozen_once(approved: SignedOffice) -> None:
    park = approved.signed_in("park", Role.OPERATOR)
    page = park.get("/desk/send").text
    assert re.search(r"Send issue 21 to \d+ readers", page)
    assert "They had unsubscribed (1)" in page
    assert "구독을 해지함 (1)" in park.get("/desk/send?lang=ko").text, "reasons speak the desk's language"
    assert "digest worker --stay" in page, "no worker lives, and the page says what to run"
    assert send(park) == 409, "the box is not ticked"
    assert send(park, sure="yes", hash="0" * 64) == 409, "it is another issue by now"
    assert state(approved)[0] == "approved"
    assert send(park, sure="yes") == 303
    assert send(park, sure="yes") == 303, "a second click changes nothing"
    with session_scope(approved.app.engine, read_only=True) as session:
        issue = issues.find(session, 21)
        counted = outbox.counts(session, issue.id or 0)
    assert (issue.state, counted[State.PENDING], sum(counted.values())) == ("sending", issue.planned, issue.planned)
    assert approved.acts()[0] == ("park", "send", "desk")
    assert "dealt with" in park.get("/desk/send").text


def test_an_issue_that_is_not_approved_is_not_sent(office: SignedOffice) -> None:
    park = office.signed_in("park", Role.OPERATOR)
    assert send(park, sure="yes", hash="-") == 409
    assert state(office)[0] == "draft"


def test_an_operator_holds_with_a_reason_and_releases(approved: SignedOffice) -> None:
    park, kim = approved.signed_in("park", Role.OPERATOR), approved.signed_in("kim", Role.EDITOR)
    assert send(park, sure="yes") == 303
    assert posted(park, "/desk/send/hold", reason="The picture\r\n is wrong") == 303
    assert state(approved) == ("sending", "held by an operator: The picture is wrong")
    with session_scope(approved.app.engine, read_only=True) as session:
        assert session.exec(select(Issue.number).where(operations.HELD_BY_US)).all() == [], "a person holds it, not we"
    page = kim.get("/desk/send").text
    assert "The picture is wrong" in page
    assert "/desk/send/release" not in page, "an editor sees it, and releases nothing"
    assert posted(park, "/desk/send/release") == 303
    assert state(approved) == ("sending", "")


def test_withdrawing_asks_first_and_cancels_what_is_due(approved: SignedOffice) -> None:
    park = approved.signed_in("park", Role.OPERATOR)
    assert send(park, sure="yes") == 303
    assert "can’t be undone" in park.get("/desk/send/withdraw").text
    assert posted(park, "/desk/send/withdraw") == 409
    assert state(approved)[0] == "sending"
    assert posted(park, "/desk/send/withdraw", sure="yes") == 303
    assert state(approved)[0] == "withdrawn"
    with session_scope(approved.app.engine, read_only=True) as session:
        counted = outbox.counts(session, issues.find(session, 21).id or 0)
    assert set(filter(counted.get, counted)) == {State.CANCELLED}
