"""Contents of the public archive: its issues, the edition shown of each, and full-text search in them.

The bytes of an archive edition never change. Keeping an article out afterwards makes another edition without it
(`archive_notes`); the fullest edition without kept-out articles is shown, so that showing the article again restores
the page. Search and feeds use the text of the shown pages, not the articles as they are now.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from digest.articles.body import render_body
from digest.articles.embeds import ArticleImage, image_of
from digest.articles.models import Article
from digest.editions.models import ArchivedArticle, Edition
from digest.editions.search_terms import fold
from digest.editions.segment import Selection
from digest.issues.lifecycle import PUBLISHED
from digest.issues.models import Issue
from digest.render.checks import Finding, Severity
from digest.render.content import IssueContent
from digest.runtime.text import cut_between_words

EXCERPT = 300
HEADLINES = 4  # of which one may be the issue's subject
_PICTURED = 6  # articles among which an issue's picture is looked for


class Stored(NamedTuple):
    """An archive edition without its bytes."""

    id: int
    language: str
    subject: str
    articles: Sequence[str]


@dataclass(frozen=True, slots=True)
class ShownIssue:
    """An issue in the archive, with the edition that its page shows in each language."""

    number: int
    date: date
    published_at: datetime
    updated_at: datetime
    note: Mapping[str, str]
    editions: Mapping[str, Stored]
    corrects: int | None = None

    def edition(self, language: str, default: str) -> Stored:
        """Return the edition for a reader of `language`: in it, else in the publication's language, else in any."""
        return next(self.editions[code] for code in (language, default, *self.editions) if code in self.editions)


@dataclass(frozen=True, slots=True)
class Found:
    """An article of a shown issue, as its page has it."""

    issue: ShownIssue
    article: ArchivedArticle

    @property
    def page_language(self) -> str:
        return next(code for code, edition in self.issue.editions.items() if edition.id == self.article.edition_id)


class Headline(NamedTuple):
    """An article of a shown issue, as the list of issues names it."""

    anchor: str
    language: str
    title: str


@dataclass(frozen=True, slots=True)
class Teaser:
    """The first headlines of an issue's page, and a picture from its first articles."""

    headlines: Sequence[Headline] = ()
    picture: ArticleImage | None = None


def teasers(session: Session, editions: Sequence[Stored], most: int = HEADLINES) -> dict[int, Teaser]:
    """Return the teasers of archive editions by their ids, with at most so many headlines."""
    row, headlines = ArchivedArticle, dict[int, list[Headline]]()
    query = select(row.edition_id, row.group, row.language, row.title).where(
        col(row.edition_id).in_([edition.id for edition in editions]), col(row.position) < most
    )
    for edition_id, *values in session.exec(query.order_by(col(row.edition_id), col(row.position))):
        headlines.setdefault(edition_id, []).append(Headline(*values))
    slugs = {slug for edition in editions for slug in edition.articles[:_PICTURED]}
    images = dict(session.exec(select(Article.slug, Article.images).where(col(Article.slug).in_(slugs))).all())
    return {
        edition.id: Teaser(headlines.get(edition.id, ()), _picture(edition.articles[:_PICTURED], images))
        for edition in editions
    }


def _picture(slugs: Iterable[str], images: Mapping[str, Sequence[Mapping[str, Any]]]) -> ArticleImage | None:
    found = (image_of(stored) for slug in slugs for stored in images.get(slug, ()))
    return next((image for image in found if image.use != "file" and image.file), None)


def shown_issues(session: Session) -> list[ShownIssue]:
    """Return the issues in the archive, newest first."""
    public = (col(Issue.state).in_(PUBLISHED), col(Issue.kept_out).is_(False))
    stored: dict[int, list[Stored]] = {}
    columns = (Edition.id, Edition.language, Edition.subject, Edition.articles)
    query = select(Edition.issue_id, *columns).join(Issue).where(col(Edition.archive).is_(True), *public)  # type: ignore[call-overload]
    for issue_id, *values in session.exec(query.order_by(col(Edition.id))):
        stored.setdefault(issue_id, []).append(Stored(*values))
    kept, issues = kept_out(session), []
    corrected: dict[int, datetime] = {}  # a page names its corrections, which have higher numbers
    for issue in session.exec(select(Issue).where(*public).order_by(col(Issue.number).desc())):
        editions = fitting(stored.get(issue.id or 0, ()), kept)
        published = issue.frozen_at or issue.created_at
        updated = max(published, issue.archive_changed_at or published, corrected.get(issue.number, published))
        if editions:
            if issue.corrects is not None:
                corrected.setdefault(issue.corrects, updated)
            shown = ShownIssue(issue.number, issue.date, published, updated, issue.note, editions, issue.corrects)
            issues.append(shown)
    return issues


def fitting(stored: Iterable[Stored], kept: frozenset[str]) -> dict[str, Stored]:
    """Return, by language, the fullest edition without a kept-out article; of equals the first."""
    found: dict[str, Stored] = {}
    for edition in stored:
        known = found.get(edition.language)
        fuller = known is None or len(edition.articles) > len(known.articles)
        if fuller and kept.isdisjoint(edition.articles):
            found[edition.language] = edition
    return found


def kept_out(session: Session) -> frozenset[str]:
    """Return the slugs of the kept-out articles and of their translations."""
    originals = select(Article.group).where(col(Article.kept_out).is_(True), col(Article.slug) == col(Article.group))
    query = select(Article.slug).where(col(Article.group).in_(originals))
    return frozenset(session.exec(query))


def index(session: Session, edition_id: int, content: IssueContent, whole: Selection) -> None:
    """Store the text of an archive edition, article by article, unless it is stored. The caller commits."""
    known = select(ArchivedArticle.id).where(ArchivedArticle.edition_id == edition_id).limit(1)
    if session.exec(known).first() is None:
        session.add_all(_rows(edition_id, content, whole))


def _rows(edition_id: int, content: IssueContent, whole: Selection) -> Iterable[ArchivedArticle]:
    for position, (slug, section) in enumerate(whole.shown):
        article = content.shown(slug)
        body = render_body(article.body, article_key=article.group, language=article.language).text
        yield ArchivedArticle(
            edition_id=edition_id,
            position=position,
            group=article.group,
            language=article.language,
            section=section,
            topics=content.shown(article.group).topics,
            title=article.title,
            summary=article.summary or excerpt(body),
            folded=fold("\n".join([*_labels(article), body])),
        )


def _labels(article: Article) -> Iterable[str]:
    """Yield the texts that the page shows around an article's body."""
    groups = (*article.images, *article.videos, article.citation or {})
    yield from (article.title, article.summary, *article.sources)
    for group in groups:
        for key in ("title", "summary", "alt", "caption", "credit", "authors", "journal"):
            value = group.get(key) or ""
            yield from value if isinstance(value, list) else (value,)


def excerpt(text: str, limit: int = EXCERPT) -> str:
    """Return the beginning of a text, cut between words."""
    return text if len(text) <= limit else cut_between_words(text, limit) + "…"


def search(
    session: Session,
    issues: Sequence[ShownIssue],
    words: Sequence[str],
    *,
    about: Callable[[Sequence[str]], bool],
    languages: Sequence[str],
) -> list[tuple[ShownIssue, int]]:
    """Return issue and row of each article with all `words` and with topics that `about` accepts, newest issue first.

    An article found in several languages is listed once, in the first of `languages`.
    """
    pages = {edition.id: issue for issue in issues for edition in issue.editions.values()}
    ranks = {code: place for place, code in enumerate(languages)}
    rank = {one.id: ranks.get(code, len(ranks)) for issue in issues for code, one in issue.editions.items()}
    row = ArchivedArticle
    matching = (col(row.folded).contains(word, autoescape=True) for word in words)
    query = select(row.id, row.edition_id, row.position, row.group, row.topics).where(  # type: ignore[call-overload]
        col(row.edition_id).in_(pages), *matching
    )
    best: dict[tuple[int, str], tuple[int, int, int]] = {}  # issue and article -> rank, place in the issue, row
    for row_id, edition_id, position, group, topics in session.exec(query):
        if about(topics):
            key, found = (pages[edition_id].number, group), (rank[edition_id], position, row_id)
            best[key] = min(found, best.get(key, found))
    by_number = {issue.number: issue for issue in issues}
    ordered = sorted((-number, place, row_id) for (number, _), (_, place, row_id) in best.items())
    return [(by_number[-number], row_id) for number, _, row_id in ordered]


def read(session: Session, found: Sequence[tuple[ShownIssue, int]]) -> list[Found]:
    """Return the articles of a search, in the same order."""
    ids = [row for _, row in found]
    rows = {row.id: row for row in session.exec(select(ArchivedArticle).where(col(ArchivedArticle.id).in_(ids)))}
    return [Found(issue, rows[row]) for issue, row in found]


def articles_of(session: Session, issues: Sequence[ShownIssue], language: str) -> list[Found]:
    """Return the articles of issues that have a page in `language`, issue by issue, in reading order."""
    pages = {issue.editions[language].id: issue for issue in issues if language in issue.editions}
    order = (col(ArchivedArticle.edition_id), col(ArchivedArticle.position))
    query = select(ArchivedArticle).where(col(ArchivedArticle.edition_id).in_(pages)).order_by(*order)
    rows = session.exec(query).all()
    return sorted((Found(pages[row.edition_id], row) for row in rows), key=lambda found: -found.issue.number)


def last_change(session: Session) -> datetime | None:
    """Return when the archive last changed, also by a removal; None before the first issue."""
    query = select(Issue.frozen_at, Issue.archive_changed_at).where(col(Issue.frozen_at).is_not(None))
    return max((moment for row in session.exec(query) for moment in row if moment is not None), default=None)


def findings(content: IssueContent) -> list[Finding]:
    """Return the findings on kept-out articles and issues to which mails link."""
    kept = [(group, content.shown(group)) for group in content.articles if content.shown(group).kept_out]
    linked = [group for group, article in kept if article.topics or article.display == "summary"]
    problems = [(group, "Mails that show only its title link to a page where it is missing") for group in linked]
    if content.issue.kept_out:
        message = "The issue is hidden from the archive: links to articles that a mail shortens lead nowhere"
        problems.append(("issue", message))
    remedy = "Send everyone the full issue (no topics, display: full), or show the issue in the archive."
    return [Finding("kept-out-of-archive", Severity.ADVISE, where, message, remedy) for where, message in problems]
