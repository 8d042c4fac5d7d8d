"""State changes of an issue: assemble, approve, start, withdraw."""

from datetime import date, datetime

from sqlalchemy import delete, exists, or_
from sqlmodel import Session, col, select

from digest.issues import store as issue_store
from digest.issues.assemble import SectionRule
from digest.issues.lifecycle import IssueState, move
from digest.issues.models import Issue, IssueItem
from digest.issues.period import Period
from digest.outbox import operations
from digest.outbox.models import Attempt, Delivery
from digest.outbox.settle import WITHDRAWN
from digest.outbox.states import Outcome
from digest.publish import waivers
from digest.publish.approval import Approver, manifest
from digest.publish.approval import approve as record_approval
from digest.publish.build import build
from digest.publish.publisher import FindingsBlockError, Publisher


def assemble(
    publisher: Publisher, session: Session, period: Period, *, number: int | None, issue_date: date, now: datetime
) -> Issue:
    """Make the draft for `period`, or choose the articles of the present draft again."""
    return issue_store.assemble_issue(
        session, period, section_rules(publisher), number=number, issue_date=issue_date, now=now
    )


def section_rules(publisher: Publisher) -> list[SectionRule]:
    """Return the publication's sections, as assembling needs them."""
    return [SectionRule(section.slug, section.cap) for section in publisher.settings.section]


def approve(publisher: Publisher, session: Session, issue: Issue, by: Approver, now: datetime) -> bool:
    """Approve the issue as it is now; False when a second person has to approve too. Raises FindingsBlockError."""
    made = build(publisher, session, issue, now)
    if blocking := made.blocking:
        raise FindingsBlockError(f"Issue {issue.number} cannot be approved: {blocking[0].message}")
    issue.waivers = waivers.held(issue, made.findings)
    parts = manifest(session, issue, publisher.settings, publisher.templates)
    session.add(issue)
    return record_approval(issue, by, parts, required=publisher.settings.approval.required, now=now)


def start_sending(session: Session, issue: Issue) -> None:
    """Let workers take deliveries of a frozen issue; a resend may have re-opened it already."""
    if issue.state == IssueState.FROZEN:
        issue.state = move(issue.number, issue.state, IssueState.SENDING)
        session.add(issue)


def withdraw(session: Session, issue: Issue, now: datetime) -> int:
    """Stop the issue, which is locked, for good; return how many deliveries were cancelled.

    Its number is not reused. Its articles are free for another issue only if no delivery was ever accepted, and none
    may have been.
    """
    assert issue.id is not None  # noqa: S101 - read from the database
    issue.state = move(issue.number, issue.state, IssueState.WITHDRAWN)
    session.add(issue)
    session.flush()
    cancelled = operations.cancel(session, issue.id, now, reason=WITHDRAWN)
    may_have_arrived = or_(
        col(Attempt.outcome).is_(None), col(Attempt.outcome).in_([Outcome.ACCEPTED, Outcome.UNCERTAIN])
    )
    reached = exists().where(
        col(Attempt.delivery_id) == Delivery.id, col(Delivery.issue_id) == issue.id, may_have_arrived
    )
    if not session.exec(select(reached)).one():
        slugs = [item.group for item, _ in issue_store.items_of(session, issue)]
        session.execute(delete(IssueItem).where(col(IssueItem.issue_id) == issue.id))
        issue.left_out = [
            *issue.left_out,
            *({"slug": slug, "reason": "available again after a withdrawal"} for slug in slugs),
        ]
    return cancelled
