"""Articles in the database: finding them, and changing one with its history kept."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from digest.articles.draft import CONTENT_FIELDS, Draft, content_hash, content_of
from digest.articles.media import LoadedImage
from digest.articles.models import Article, ArticleHistory, Media
from digest.articles.problems import nearest
from digest.runtime.errors import NotFoundError


def get(session: Session, slug: str) -> Article:
    """Return the article of this name. Raises NotFoundError with the nearest name."""
    article = find(session, slug)
    if article is None:
        known = session.exec(select(Article.slug)).all()
        raise NotFoundError(
            f"There is no article {slug}.", hint=nearest(slug, known) if known else "There are none yet."
        )
    return article


def find(session: Session, slug: str) -> Article | None:
    """Return the article of this name, or None."""
    return session.exec(select(Article).where(col(Article.slug) == slug)).first()


def list_articles(session: Session) -> Sequence[Article]:
    """Return all articles, the newest first, those without a date before them; equal dates in the order of slugs."""
    # Databases differ in where they put NULL, so it is said.
    order = (col(Article.starts_on).is_not(None), col(Article.starts_on).desc(), col(Article.slug))
    return session.exec(select(Article).order_by(*order)).all()


def candidates(session: Session, *, until: date) -> Sequence[Article]:
    """Return every article that begins on or before `until` or has no date, in the order of slugs."""
    due = or_(col(Article.starts_on).is_(None), col(Article.starts_on) <= until)
    return session.exec(select(Article).where(due).order_by(col(Article.slug))).all()


def create(session: Session, draft: Draft, *, group: str, now: datetime) -> Article:
    """Add an article from a draft whose pictures are loaded, and return it. Nothing is committed."""
    article = Article(
        slug=draft.slug, group=group, language="", title="", content_hash="", created_at=now, updated_at=now
    )
    _fill(article, draft, group)
    session.add(article)
    session.flush()
    return article


def revise(session: Session, article: Article, draft: Draft, *, group: str, now: datetime) -> bool:
    """Give an article the content of a draft and keep the old in its history; return whether anything changed.

    Its slug stays. When it moves to another group of translations, its own translations move with it.
    """
    if article.content_hash == content_hash(content_of(draft, group=group)):
        return False
    _keep_in_history(session, article, now)
    if article.group == article.slug != group:
        session.execute(update(Article).where(col(Article.group) == article.slug).values(group=group))
    _fill(article, draft, group)
    article.updated_at = now
    session.add(article)
    session.flush()
    return True


def set_kept_out(session: Session, article: Article, now: datetime, *, kept_out: bool) -> bool:
    """Keep an article out of the archive, or let it in, with its history kept; return whether that changed anything."""
    if article.kept_out == kept_out:
        return False
    _keep_in_history(session, article, now)
    article.kept_out, article.updated_at = kept_out, now
    article.content_hash = content_hash(content_of(article, group=article.group))
    session.add(article)
    session.flush()
    return True


def keep_media(session: Session, image: LoadedImage, *, now: datetime) -> None:
    """Store a picture unless it is there already."""
    if session.get(Media, image.hash) is None:
        session.add(Media(**asdict(image), created_at=now))


def _keep_in_history(session: Session, article: Article, now: datetime) -> None:
    """Keep an article's content as it is before a change; two changes at one instant from one content are one."""
    here = [
        col(ArticleHistory.article_id) == article.id,
        col(ArticleHistory.content_hash) == article.content_hash,
        col(ArticleHistory.replaced_at) == now,
    ]
    if article.id is not None and session.exec(select(ArticleHistory).where(*here)).first() is None:
        before = content_of(article, group=article.group)
        session.add(
            ArticleHistory(article_id=article.id, content_hash=article.content_hash, content=before, replaced_at=now)
        )


def _fill(article: Article, draft: Draft, group: str) -> None:
    content = content_of(draft, group=group)
    for name in CONTENT_FIELDS:
        setattr(article, name, content[name])
    article.starts_on, article.ends_on, article.apply_by = draft.starts_on, draft.ends_on, draft.apply_by
    article.images, article.videos = content["images"], content["videos"]
    article.group, article.kept_out = group, draft.kept_out
    article.content_hash = content_hash(content)
