"""The first page: each state of an issue with its next step, and what a reader of reports sees."""

import pytest

from digest.accounts.models import Role
from digest.issues.lifecycle import IssueState
from digest.web.desk.month import DONE, LATER, NOW, IssueProgress
from tests.support.desk_office import SignedOffice

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(
    ("progress", "now"),
    [
        (IssueProgress(IssueState.DRAFT, blocking=1, given=0, required=1, valid=True), "check"),
        (IssueProgress(IssueState.DRAFT, blocking=0, given=0, required=1, valid=True), "approve"),
        (IssueProgress(IssueState.DRAFT, blocking=0, given=1, required=2, valid=True), "approve"),
        (IssueProgress(IssueState.APPROVED, blocking=0, given=1, required=1, valid=False), "approve"),
        (IssueProgress(IssueState.APPROVED, blocking=0, given=1, required=1, valid=True), "send"),
        (IssueProgress(IssueState.SENDING, blocking=3, given=1, required=1, valid=True), "send"),
        (IssueProgress(IssueState.SENT, blocking=0, given=1, required=1, valid=True), "report"),
    ],
)
def test_the_step_that_comes_next(progress: IssueProgress, now: str) -> None:
    steps = progress.steps
    assert [name for name, state in steps.items() if state == NOW] == [now]
    assert list(steps.values()) == sorted(steps.values(), key=[DONE, NOW, LATER].index), (
        "no step after the next is done"
    )


def test_an_approval_that_no_longer_holds_counts_for_nothing() -> None:
    assert IssueProgress(IssueState.DRAFT, 0, given=1, required=2, valid=False).lacking == 2
    assert IssueProgress(IssueState.DRAFT, 0, given=1, required=2, valid=True).lacking == 1
    withdrawn = IssueProgress(IssueState.WITHDRAWN, 0, given=1, required=1, valid=True)
    assert set(withdrawn.steps.values()) == {LATER}


def test_the_page_says_who_has_to_act_in_both_languages(office: SignedOffice) -> None:
    kim = office.signed_in("kim", Role.APPROVER)
    page = kim.get("/desk").text
    assert "1 approver has to read and approve the issue." in page
    assert 'href="/desk/approval"' in page
    assert "승인" in kim.get("/desk?lang=ko").text


def test_a_reader_of_reports_gets_no_link_that_refuses_them(office: SignedOffice) -> None:
    lee = office.signed_in("lee", Role.READER)
    page = lee.get("/desk").text
    for path in ("/preview", "/check", "/approval", "/send", "/log"):
        assert f'href="/desk{path}"' not in page, path
    assert 'href="/desk/report"' in page
    assert lee.get("/desk/report").status_code == 200
