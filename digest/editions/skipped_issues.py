"""The issues that readers of every second or third issue did not get, whose titles their editions list.

All readers of one frequency lack the same issues, so that they share an edition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from sqlmodel import Session, col, select

from digest.articles.models import Article
from digest.editions.models import Edition
from digest.issues.lifecycle import PUBLISHED
from digest.issues.models import Issue
from subscribers.audience import in_between
from subscribers.models import Frequency


@dataclass(frozen=True, slots=True)
class EarlierTitle:
    """The title of an article in an earlier issue."""

    title: str
    group: str
    language: str


@dataclass(frozen=True, slots=True)
class EarlierIssue:
    """An earlier issue with its titles in each language of its archive pages."""

    number: int
    date: date
    titles: Mapping[str, tuple[EarlierTitle, ...]]


def frequencies(session: Session, issue: Issue) -> frozenset[str]:
    """Return the frequencies whose readers lack issues before this one."""
    numbers = {earlier.number for earlier in _published(session, issue)}
    return frozenset(frequency for frequency, missed in _in_between(issue).items() if numbers.intersection(missed))


def earlier_issues(session: Session, issue: Issue) -> Mapping[str, tuple[EarlierIssue, ...]]:
    """Return, by frequency, the issues that its readers lack before this one, the newest first."""
    issues = {earlier.number: _read(session, earlier) for earlier in _published(session, issue)}
    found = {
        frequency: tuple(issues[one] for one in sorted(lacking, reverse=True) if one in issues)
        for frequency, lacking in _in_between(issue).items()
    }
    return {frequency: lacking for frequency, lacking in found.items() if lacking}


def as_approved(earlier: Mapping[str, tuple[EarlierIssue, ...]]) -> object:
    """Return skipped issues in a form for the hash of an approval."""
    return {frequency: [asdict(issue) for issue in lacking] for frequency, lacking in sorted(earlier.items())}


def _in_between(issue: Issue) -> Mapping[Frequency, range]:
    """Return the numbers by frequency; a correction goes to readers of every frequency and replaces no issue."""
    return {} if issue.corrects else in_between(issue.number)


def _published(session: Session, issue: Issue) -> Sequence[Issue]:
    numbers = {one for lacking in _in_between(issue).values() for one in lacking}
    if not numbers:
        return ()
    public = (col(Issue.state).in_(PUBLISHED), ~col(Issue.kept_out), col(Issue.corrects).is_(None))
    query = select(Issue).where(col(Issue.number).in_(numbers), *public)
    return session.exec(query.order_by(col(Issue.number))).all()


def _read(session: Session, issue: Issue) -> EarlierIssue:
    stored = select(Edition.language, Edition.articles).where(Edition.issue_id == issue.id, col(Edition.archive))
    editions = session.exec(stored.order_by(col(Edition.id))).all()
    slugs = {slug for _, articles in editions for slug in articles}
    query = select(Article.slug, Article.title, Article.group, Article.language).where(col(Article.slug).in_(slugs))
    titles = {slug: EarlierTitle(title, group, language) for slug, title, group, language in session.exec(query)}
    known = {language: tuple(titles[slug] for slug in slugs if slug in titles) for language, slugs in editions}
    return EarlierIssue(issue.number, issue.date, known)
