"""Articles changed at the desk, with the archive pages that follow from them, and one article as a mail shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from digest.articles import editing, store
from digest.articles.draft import CONTENT_FIELDS, Draft, content_of
from digest.articles.intake import KnownSlugs
from digest.articles.models import Article
from digest.editions.segment import ReaderGroup, select_articles
from digest.issues.models import Issue
from digest.publish.archive_notes import renew
from digest.publish.build import items_for_segment
from digest.publish.publisher import Publisher
from digest.render.content import EditionViews, IssueContent
from digest.render.edition import Rendered, render_edition
from digest.settings.root import Settings
from subscribers.interests import ALL_TEXT


@dataclass(frozen=True, slots=True)
class EditResult:
    """The result of a save: the article's slug, whether anything changed, and the notes of the checks."""

    slug: str
    changed: bool
    checked: editing.CheckedArticle


def known_slugs(settings: Settings) -> KnownSlugs:
    """Return the slugs that an article may name."""
    topics = [slug for interest in settings.interest for slug in (interest.slug, *interest.was)]
    return KnownSlugs([section.slug for section in settings.section], topics, settings.publication.language)


def check_article(
    publisher: Publisher, session: Session, values: Mapping[str, Any], article: Article | None
) -> editing.CheckedArticle:
    """Check the values of a form; files are looked for beside the article's own file."""
    folder = publisher.settings.workspace / "articles"
    return editing.check(session, values, known_slugs(publisher.settings), folder, article)


def save_article(
    publisher: Publisher, session: Session, values: Mapping[str, Any], *, slug: str, base: str, now: datetime
) -> EditResult:
    """Store the values of a form if they are valid; a new article has no `slug` yet.

    Raises NotFoundError and ChangedMeanwhileError.
    """
    article = store.get(session, slug) if slug else None
    checked = check_article(publisher, session, values, article)
    if checked.draft is None:
        return EditResult(slug, changed=False, checked=checked)
    was_kept_out = article.kept_out if article else False
    stored, changed = editing.save(session, checked, article=article, base=base, now=now)
    if stored.kept_out != was_kept_out:
        renew(publisher, session, now)
    return EditResult(stored.slug, changed, checked)


def restore_article(
    publisher: Publisher, session: Session, slug: str, version_id: int, *, base: str, now: datetime
) -> EditResult:
    """Give an article one of its earlier texts again; the present one goes to the history."""
    article = store.get(session, slug)
    content = editing.version(session, article, version_id).content
    values, folder = editing.from_content(slug, content), publisher.settings.workspace / "articles"
    known = known_slugs(publisher.settings)
    pictures = [*content["images"], *content["videos"]]
    checked = editing.check(session, values, known, folder, article, pictures=pictures)
    if checked.draft is None:
        return EditResult(slug, changed=False, checked=checked)
    return EditResult(slug, editing.save(session, checked, article=article, base=base, now=now)[1], checked)


def render_article(publisher: Publisher, draft: Draft, number: int, day: date) -> Rendered:
    """Return a mail whose only article is a draft, as issue `number` of a day would show it."""
    article = Article(slug=draft.slug, group=draft.slug, language="", title="", content_hash="")  # type: ignore[call-arg]
    content = content_of(draft, group=draft.slug)
    for name in CONTENT_FIELDS:
        setattr(article, name, content[name])
    article.starts_on, article.ends_on, article.apply_by = draft.starts_on, draft.ends_on, draft.apply_by
    article.images, article.videos = content["images"], content["videos"]
    issue = Issue(number=number, period=f"{day:%Y-%m}", date=day, subject={}, preheader={}, intro={})  # type: ignore[call-arg]
    section = draft.section or next((section.slug for section in publisher.settings.section), "")
    shown = IssueContent(issue, {draft.slug: section}, {draft.slug: {draft.language: article}})
    language = publisher.rules.language_for(draft.language)
    translate = publisher.templates.translate(language)
    group = ReaderGroup(language, ALL_TEXT)
    selection = select_articles(items_for_segment(shown), group, publisher.settings.catalogue, publisher.rules)
    views = EditionViews(shown, language, publisher.settings, translate)
    return render_edition(views.context(selection), publisher.templates, "0" * 16)
