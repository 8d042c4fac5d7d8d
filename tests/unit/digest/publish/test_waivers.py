"""Findings that stand: which may, for how long, and where that shows."""

from datetime import date, datetime

import pytest

from digest.issues.models import Issue
from digest.publish.waivers import applied, held, undo, waive
from digest.render.checks import Finding, Severity
from digest.runtime.errors import NotFoundError, RefusedError, UsageError

MARKED = Finding("link-tracking", Severity.ADVISE, "articles/a.md:7", "https://a.example/?utm_source=x carries", "Take")
OTHER = Finding("link-tracking", Severity.ADVISE, "articles/b.md:3", "https://b.example/?utm_source=x carries", "Take")
STARTER = Finding("article-placeholder", Severity.BLOCK, "articles/first.md:2", "first is the example", "Take it out")
FAINT = Finding("contrast", Severity.BLOCK, "HTML", "1.1 : 1", "Change one")


@pytest.fixture
def issue(now: datetime) -> Issue:
    return Issue(number=1, period="2026-11", date=date(2026, 11, 30), created_at=now)


def reasons(issue: Issue, *findings: Finding) -> list[str]:
    return [finding.waived for finding in applied(findings, issue)]


def test_every_present_finding_of_an_id_stands_with_its_reason(issue: Issue) -> None:
    found = waive(issue, [MARKED, MARKED, OTHER, STARTER], "link-tracking", " The partner asked ")
    assert len(found) == 2
    assert reasons(issue, MARKED, OTHER, STARTER) == ["The partner asked", "The partner asked", ""]


def test_an_edit_that_changes_the_finding_voids_the_waiver(issue: Issue) -> None:
    waive(issue, [MARKED], "link-tracking", "Asked")
    moved = Finding(MARKED.id, MARKED.severity, "articles/a.md:9", MARKED.message, MARKED.remedy)
    changed = Finding(MARKED.id, MARKED.severity, MARKED.where, "https://a.example/?mc_eid=1 carries", MARKED.remedy)
    elsewhere = Finding(MARKED.id, MARKED.severity, "articles/c.md:7", MARKED.message, MARKED.remedy)
    assert reasons(issue, moved, changed, elsewhere) == ["Asked", "", ""]
    assert held(issue, [moved]) == issue.waivers
    assert held(issue, [changed]) == []


def test_a_later_finding_of_the_id_gets_its_own_reason(issue: Issue) -> None:
    waive(issue, [MARKED], "link-tracking", "First")
    waive(issue, applied([MARKED, OTHER], issue), "link-tracking", "Second")
    assert reasons(issue, MARKED, OTHER) == ["First", "Second"]
    waive(issue, applied([MARKED, OTHER], issue), "link-tracking", "Both")
    assert reasons(issue, MARKED, OTHER) == ["Both", "Both"]
    waive(issue, [OTHER], "link-tracking", "Only it is left")
    assert [one["where"] for one in issue.waivers] == ["articles/b.md"]


def test_what_blocks_can_stand_only_if_no_promise_needs_it(issue: Issue) -> None:
    waive(issue, [STARTER, FAINT], "article-placeholder", "A trial")
    assert reasons(issue, STARTER) == ["A trial"]
    with pytest.raises(RefusedError, match="contrast cannot be waived") as refused:
        waive(issue, [STARTER, FAINT], "contrast", "I can read it")
    assert refused.value.hint == "Change one"
    issue.waivers = [{"id": "contrast", "where": "HTML", "message": "1.1 : 1", "reason": "by hand"}]
    assert reasons(issue, FAINT) == [""]


@pytest.mark.parametrize(
    ("identifier", "reason", "error"),
    [("link-traking", "x", NotFoundError), ("link-tracking", " ", UsageError), ("link-tracking", "a\nb", UsageError)],
)
def test_a_waiver_names_a_present_finding_and_a_reason(
    issue: Issue, identifier: str, reason: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        waive(issue, [MARKED], identifier, reason)
    assert issue.waivers == []


def test_a_waiver_is_taken_back(issue: Issue) -> None:
    waive(issue, [MARKED, STARTER], "link-tracking", "x")
    undo(issue, "link-tracking")
    assert reasons(issue, MARKED) == [""]
    with pytest.raises(NotFoundError):
        undo(issue, "link-tracking")
