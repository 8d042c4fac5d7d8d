"""Contents of an issue: sections, articles, and which were left out and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from sqlmodel import Session

from digest.editions import store as edition_store
from digest.editions.segment import ReaderGroup, select_articles
from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.publish.approval import changes_since_approval, issue_hash, manifest
from digest.publish.build import content_of, items_for_segment
from digest.publish.publisher import Publisher
from digest.render.content import EditionViews
from digest.settings.publication import pick
from subscribers.interests import ALL_TEXT


@dataclass(frozen=True, slots=True)
class DescribedArticle:
    """An article of an issue; `reason` says why it was chosen."""

    slug: str
    title: str
    topics: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class DescribedSection:
    slug: str
    title: str
    articles: Sequence[DescribedArticle]


@dataclass(frozen=True, slots=True)
class IssueDescription:
    """The contents of an issue; `hash` is what an approval would be bound to now, `changed` voids the present one."""

    number: int
    period: str
    date: date
    state: str
    hash: str
    approved_hash: str | None
    approved_by: str | None
    changed: Sequence[str]
    subject: str
    subjects: Mapping[str, str]
    sections: Sequence[DescribedSection]
    left_out: Sequence[Mapping[str, str]]
    kept_out: bool
    note: Mapping[str, str]
    waivers: Sequence[Mapping[str, str]]
    corrects: int | None = None
    corrected_article: str = ""

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"date": self.date.isoformat()}


def describe(publisher: Publisher, session: Session, issue: Issue) -> IssueDescription:
    """Return the contents of the issue, without empty sections."""
    language = publisher.settings.publication.language
    subjects = _subjects(publisher, session, issue)
    parts = manifest(session, issue, publisher.settings, publisher.templates)
    items = issue_store.items_of(session, issue)
    articles: dict[str, list[DescribedArticle]] = {}
    for item, article in items:
        described = DescribedArticle(article.slug, article.title, article.topics, item.reason)
        articles.setdefault(item.section, []).append(described)
    titles = {section.slug: pick(section.title, language) for section in publisher.settings.section}
    order = [*(slug for slug in titles if slug in articles), *(slug for slug in articles if slug not in titles)]
    return IssueDescription(
        number=issue.number,
        period=issue.period,
        date=issue.date,
        state=issue.state,
        hash=issue_hash(parts),
        approved_hash=issue.approved_hash,
        approved_by=issue.approved_by,
        changed=changes_since_approval(issue, parts),
        subject=subjects[language],
        subjects=subjects,
        sections=[DescribedSection(slug, titles.get(slug, slug), articles[slug]) for slug in order],
        left_out=issue.left_out,
        kept_out=issue.kept_out,
        note=issue.note,
        waivers=issue.waivers,
        corrects=issue.corrects,
        corrected_article=issue.corrected_article,
    )


def _subjects(publisher: Publisher, session: Session, issue: Issue) -> dict[str, str]:
    """Return the subject of the whole issue by language: as it was frozen, else as it would be now."""
    subjects = dict.fromkeys(publisher.settings.languages, "")
    if issue.frozen_at is not None and issue.id is not None:
        archived = edition_store.of_issue(session, issue.id, archive=True)
        subjects |= {row.language: row.subject for row in archived if row.language in subjects}
    if all(subjects.values()):
        return subjects
    heads = _heads(publisher, session, issue)
    return {code: subject or heads[code][0] for code, subject in subjects.items()}


def default_heads(publisher: Publisher, session: Session, issue: Issue) -> dict[str, tuple[str, str]]:
    """Return by language the subject and the preheader that the whole issue has without any of its own."""
    return _heads(publisher, session, Issue(**issue.model_dump() | {"subject": {}, "preheader": {}}))


def _heads(publisher: Publisher, session: Session, issue: Issue) -> dict[str, tuple[str, str]]:
    content, heads = content_of(session, issue), {}
    items = items_for_segment(content)
    for language in publisher.settings.languages:
        whole = select_articles(items, ReaderGroup(language, ALL_TEXT), publisher.settings.catalogue, publisher.rules)
        views = EditionViews(content, language, publisher.settings, publisher.templates.translate(language))
        heads[language] = views.subject_and_preheader(whole.shown[0][0] if whole.shown else "")
    return heads
