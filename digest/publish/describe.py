"""The contents of an issue: sections, articles, what was left out and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from sqlmodel import Session

from digest.articles.models import Article
from digest.editions import store as edition_store
from digest.editions.segment import ReaderGroup, select_articles
from digest.issues import store as issue_store
from digest.issues.models import Issue, IssueItem
from digest.publish.approval import issue_hash, manifest
from digest.publish.build import content_of, items_for_segment
from digest.publish.publisher import Publisher
from digest.render.content import edition_context
from digest.settings.publication import Section, pick
from subscribers.interests import ALL_TEXT


@dataclass(frozen=True, slots=True)
class DescribedArticle:
    """An article of an issue, and why it is in it."""

    slug: str
    title: str
    topics: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class DescribedSection:
    """A section with its articles in order."""

    slug: str
    title: str
    articles: Sequence[DescribedArticle]


@dataclass(frozen=True, slots=True)
class IssueDescription:
    """The contents of an issue: `hash` is what an approval would be bound to now."""

    number: int
    period: str
    date: date
    state: str
    hash: str
    approved_hash: str | None
    approved_by: str | None
    subject: str
    sections: Sequence[DescribedSection]
    left_out: Sequence[Mapping[str, str]]
    kept_out: bool
    note: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        """Return it as `issue show --json` prints it."""
        return asdict(self) | {"date": self.date.isoformat()}


def describe(publisher: Publisher, session: Session, issue: Issue) -> IssueDescription:
    """Return the contents of the issue, sections without an article left out."""
    language = publisher.settings.publication.language
    items = issue_store.items_of(session, issue)
    sections = [
        DescribedSection(section.slug, pick(section.title, language), _articles_of(section, items))
        for section in _sections_of(publisher, items)
    ]
    return IssueDescription(
        number=issue.number,
        period=issue.period,
        date=issue.date,
        state=issue.state,
        hash=issue_hash(manifest(session, issue, publisher.settings, publisher.templates)),
        approved_hash=issue.approved_hash,
        approved_by=issue.approved_by,
        subject=_subject(publisher, session, issue, language),
        sections=[section for section in sections if section.articles],
        left_out=issue.left_out,
        kept_out=issue.kept_out,
        note=issue.note,
    )


def _articles_of(section: Section, items: Sequence[tuple[IssueItem, Article]]) -> list[DescribedArticle]:
    return [
        DescribedArticle(article.slug, article.title, article.topics, item.reason)
        for item, article in items
        if item.section == section.slug
    ]


def _sections_of(publisher: Publisher, items: Sequence[tuple[IssueItem, Article]]) -> list[Section]:
    """The publication's sections, and those that it no longer has but the issue still uses."""
    known = {section.slug for section in publisher.settings.section}
    gone = dict.fromkeys(item.section for item, _ in items if item.section not in known)
    return [*publisher.settings.section, *(Section(slug=slug, title={"*": slug}) for slug in gone)]


def _subject(publisher: Publisher, session: Session, issue: Issue, language: str) -> str:
    if issue.frozen_at is not None and issue.id is not None:
        for row in edition_store.of_issue(session, issue.id, archive=True):
            if row.language == language:
                return row.subject
    content = content_of(session, issue)
    whole = select_articles(
        items_for_segment(content), ReaderGroup(language, ALL_TEXT), publisher.settings.catalogue, publisher.rules
    )
    return edition_context(content, whole, publisher.settings, publisher.templates.translate(language)).subject
