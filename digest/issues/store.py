"""Storage of issues: find, assemble, open for edits. Callers commit."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import and_, func, not_
from sqlmodel import Session, col, select

from digest.articles.models import Article
from digest.issues.assemble import (
    BY_HAND,
    HELD,
    Assembly,
    Candidate,
    ChosenArticle,
    EarlierDecision,
    SectionRule,
    assemble,
)
from digest.issues.lifecycle import EDITABLE, UNFINISHED, IssueState, move
from digest.issues.models import Issue, IssueItem
from digest.issues.period import Period
from digest.runtime.errors import NotFoundError, RefusedError, UsageError


class NoSuchIssueError(NotFoundError):
    """There is no such issue."""

    default_hint = "To list the issues: digest issue list. To create one: digest issue assemble"


def find(session: Session, number: int | None, *, lock: bool = False) -> Issue:
    """Return issue `number`; without a number the unfinished one, else the newest.

    An issue that is held in the middle of its sending waits for an operator, and is not what editors work on.
    """
    stopped = and_(col(Issue.state) == IssueState.SENDING, col(Issue.held))
    unfinished = and_(col(Issue.state).in_(sorted(UNFINISHED)), not_(stopped))
    query = select(Issue).order_by(unfinished.desc(), col(Issue.number).desc())
    if number is not None:
        query = query.where(Issue.number == number)
    if lock:
        query = query.with_for_update()
    issue = session.exec(query.limit(1)).first()
    if issue is None:
        raise NoSuchIssueError(f"There is no issue {number}" if number is not None else "There are no issues yet")
    return issue


def find_delivered(session: Session, number: int | None) -> Issue:
    """Return issue `number`; without a number the newest that is frozen or later.

    For operators: a newer draft must not hide the issue that is being sent.
    """
    if number is None:
        query = select(Issue).where(col(Issue.frozen_at).is_not(None)).order_by(col(Issue.number).desc())
        issue = session.exec(query.limit(1)).first()
        if issue is not None:
            return issue
    return find(session, number)


def of_period(session: Session, period: Period) -> Issue | None:
    """Return the issue for `period`: the newest that is not withdrawn, else the newest; None if there is none."""
    query = select(Issue).where(Issue.period == str(period), col(Issue.special).is_(False))
    order = (col(Issue.state) == IssueState.WITHDRAWN, col(Issue.number).desc())
    return session.exec(query.order_by(*order).limit(1)).first()


def before(session: Session, issue: Issue) -> Issue | None:
    """Return the newest regular issue before this one that is not withdrawn; None for the first."""
    earlier = select(Issue).where(col(Issue.number) < issue.number, col(Issue.state) != IssueState.WITHDRAWN)
    return session.exec(earlier.where(~col(Issue.special)).order_by(col(Issue.number).desc()).limit(1)).first()


def items_of(session: Session, issue: Issue) -> Sequence[tuple[IssueItem, Article]]:
    """Return the issue's articles (the originals) in reading order."""
    query = select(IssueItem, Article).join(Article, col(Article.id) == col(IssueItem.article_id))
    return session.exec(query.where(IssueItem.issue_id == issue.id).order_by(col(IssueItem.position))).all()


def order_of(session: Session, issue: Issue) -> list[tuple[str, str]]:
    """Return the issue's articles in reading order, each with its section."""
    query = select(IssueItem.group, IssueItem.section).where(IssueItem.issue_id == issue.id)
    return [(group, section) for group, section in session.exec(query.order_by(col(IssueItem.position)))]


def translations_of(session: Session, groups: Sequence[str]) -> dict[str, dict[str, Article]]:
    """Return, for each group, its articles by language."""
    found: dict[str, dict[str, Article]] = {group: {} for group in groups}
    for article in session.exec(select(Article).where(col(Article.group).in_(groups)).order_by(col(Article.id).desc())):
        found[article.group][article.language] = article
    return found


def assemble_issue(
    session: Session,
    period: Period,
    sections: Sequence[SectionRule],
    *,
    number: int | None,
    issue_date: date,
    now: datetime,
) -> Issue:
    """Make the draft for `period`, or choose the articles of the present draft again; an editor's decisions stay."""
    issue = _find_draft(session, period, number) or _new_issue(session, period, number, issue_date, now)
    if issue.state == IssueState.APPROVED:
        void_approval(issue)
    _store(session, issue, choose(session, issue, sections))
    return issue


def choose(session: Session, issue: Issue, sections: Sequence[SectionRule]) -> Assembly:
    """Return what assembling the issue now gives, and store nothing."""
    return assemble(
        _candidates(session),
        Period.parse(issue.period),
        sections,
        carried=_carried(session, issue),
        first_issue=session.exec(select(Issue.id).where(Issue.id != issue.id).limit(1)).first() is None,
        kept=_kept(session, issue),
        out={entry["slug"]: entry["reason"] for entry in issue.left_out if entry["reason"].endswith(BY_HAND)},
        earlier=_earlier(session, issue),
    )


def next_draft(session: Session, issue: Issue) -> Issue | None:
    """Return the draft of the first period after the issue's that has one, locked."""
    query = select(Issue).where(Issue.state == IssueState.DRAFT, col(Issue.special).is_(False))
    query = query.where(Issue.period > issue.period).order_by(col(Issue.period)).limit(1)
    return session.exec(query.with_for_update()).first()


def _find_draft(session: Session, period: Period, number: int | None) -> Issue | None:
    """Return the period's draft, locked; raise RefusedError if it is no draft any more or has another number."""
    unfinished = (col(Issue.special).is_(False), col(Issue.state).in_(sorted(UNFINISHED)))
    query = select(Issue).where(Issue.period == str(period), *unfinished)
    issue = session.exec(query.with_for_update()).first()
    if issue is not None and issue.state not in EDITABLE:
        raise RefusedError(f"Issue {issue.number} for {period} is already {issue.state}")
    if issue is not None and number not in {None, issue.number}:
        hint = "Withdraw it first, or omit --number."
        raise RefusedError(f"{period} already has issue {issue.number}", hint=hint)
    return issue


def special_issue(session: Session, number: int | None, issue_date: date, now: datetime) -> Issue:
    """Make an empty draft outside the calendar, whose articles are added by hand."""
    issue = _new_issue(session, Period(issue_date.year, issue_date.month), number, issue_date, now)
    issue.special = True
    session.add(issue)
    session.flush()
    return issue


def _new_issue(session: Session, period: Period, number: int | None, issue_date: date, now: datetime) -> Issue:
    highest = session.exec(select(func.max(Issue.number))).one()
    if number is None:
        number = (highest or 0) + 1
    elif number < 1:
        raise UsageError(f"{number} is not a valid issue number", hint="Numbers start at 1.")
    taken = session.exec(select(Issue).where(Issue.number == number)).first()
    if taken is not None:
        owner = f"the issue for {taken.period} ({taken.state})"
        raise RefusedError(f"Number {number} belongs to {owner}; numbers are never reused")
    issue = Issue(number=number, period=str(period), date=issue_date, created_at=now)
    session.add(issue)
    session.flush()
    return issue


def _candidates(session: Session) -> list[Candidate]:
    columns = (Article.slug, Article.section, Article.starts_on, Article.pin, Article.weight)
    rows = session.execute(select(*columns).where(col(Article.slug) == col(Article.group)))  # type: ignore[call-overload]
    return [Candidate(*row) for row in rows]


def _carried(session: Session, issue: Issue) -> dict[str, int]:
    """Return the articles of other issues with their numbers; a withdrawal removes items only if none was attempted."""
    query = select(IssueItem.group, Issue.number).join(Issue, col(Issue.id) == col(IssueItem.issue_id))
    return dict(session.exec(query.where(IssueItem.issue_id != issue.id)).all())


def _earlier(session: Session, issue: Issue) -> dict[str, EarlierDecision]:
    """Return what editors last decided on articles of earlier issues."""
    query = select(Issue.number, Issue.left_out).where(Issue.period < issue.period, col(Issue.special).is_(False))
    query = query.where(Issue.state != IssueState.WITHDRAWN).order_by(col(Issue.period), col(Issue.number))
    return {
        entry["slug"]: EarlierDecision(number, entry["reason"] == HELD)
        for number, left_out in session.exec(query)
        for entry in left_out
        if entry["reason"].endswith(BY_HAND)
    }


def _kept(session: Session, issue: Issue) -> list[ChosenArticle]:
    counted: Counter[str] = Counter()
    kept = []
    query = select(IssueItem.group, IssueItem.section, IssueItem.reason).where(IssueItem.issue_id == issue.id)
    for group, section, reason in session.exec(query.order_by(col(IssueItem.position))):
        if reason.endswith(BY_HAND):
            kept.append(ChosenArticle(group, section, reason, counted[section]))
        counted[section] += 1
    return kept


def _store(session: Session, issue: Issue, result: Assembly) -> None:
    for item, _ in items_of(session, issue):
        session.delete(item)
    session.flush()
    ids = dict(session.exec(select(Article.slug, Article.id)).all())
    for position, chosen in enumerate(result.chosen):
        article_id = ids[chosen.slug]
        assert article_id is not None and issue.id is not None  # noqa: S101, PT018 - rows read from the database
        item = IssueItem(
            issue_id=issue.id,
            article_id=article_id,
            group=chosen.slug,
            section=chosen.section,
            position=position,
            reason=chosen.reason,
        )
        session.add(item)
    issue.left_out = [{"slug": entry.slug, "reason": entry.reason} for entry in result.left_out]
    session.add(issue)
    session.flush()


def void_approval(issue: Issue) -> None:
    """Return an approved issue to draft, since it is no longer what was approved."""
    issue.state = move(issue.number, issue.state, IssueState.DRAFT)
    issue.approved_hash = issue.approved_manifest = issue.approved_by = issue.approved_at = None
    issue.approvals = []


def editable(session: Session, number: int | None) -> Issue:
    """Return the issue, locked, for an edit, which voids an approval. Raises RefusedError once it is frozen."""
    issue = find(session, number, lock=True)
    if issue.state not in EDITABLE:
        raise RefusedError(f"Issue {issue.number} is {issue.state} and can no longer be edited")
    if issue.state == IssueState.APPROVED:
        void_approval(issue)
    session.add(issue)
    return issue
