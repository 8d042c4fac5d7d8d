"""Queries of articles, and changes with history."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime

from sqlalchemy import func, or_, update
from sqlmodel import Session, col, select

from digest.articles.draft import CONTENT_FIELDS, Draft, content_hash, content_of
from digest.articles.embeds import LoadedImage
from digest.articles.models import Article, ArticleHistory, Media
from digest.articles.problems import nearest
from digest.runtime.errors import NotFoundError


def get(session: Session, slug: str) -> Article:
    """Return the article with this slug. Raises NotFoundError with the nearest slug."""
    article = find(session, slug)
    if article is None:
        known = session.exec(select(Article.slug)).all()
        hint = nearest(slug, known) if known else "There are no articles yet."
        raise NotFoundError(f"There is no article {slug}.", hint=hint)
    return article


def find(session: Session, slug: str) -> Article | None:
    """Return the article with this slug, or None."""
    return session.exec(select(Article).where(col(Article.slug) == slug)).first()


def list_articles(session: Session) -> Sequence[Article]:
    """Return all articles: those without a date, then the newest first; equal dates by slug."""
    # Explicit, because databases differ in where they put NULL.
    order = (col(Article.starts_on).is_not(None), col(Article.starts_on).desc(), col(Article.slug))
    return session.exec(select(Article).order_by(*order)).all()


def candidates(session: Session, *, until: date) -> Sequence[Article]:
    """Return every article that begins on or before `until` or has no date, sorted by slug."""
    due = or_(col(Article.starts_on).is_(None), col(Article.starts_on) <= until)
    return session.exec(select(Article).where(due).order_by(col(Article.slug))).all()


def media_sizes(session: Session, hashes: Sequence[str]) -> dict[str, int]:
    """Return the bytes of stored pictures by their hashes."""
    query = select(Media.hash, func.length(Media.content)).where(col(Media.hash).in_(hashes))
    return dict(session.exec(query).all())


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
    """Replace an article's content and keep the old one in its history; return whether anything changed.

    The slug stays. If the group of translations changes, its own translations move with it.
    """
    if article.content_hash == content_hash(content_of(draft, group=group)):
        return False
    _keep_history(session, article, now)
    if article.group == article.slug != group:
        session.execute(update(Article).where(col(Article.group) == article.slug).values(group=group))
    _fill(article, draft, group)
    article.updated_at = now
    session.add(article)
    session.flush()
    return True


def set_kept_out(session: Session, article: Article, now: datetime, *, kept_out: bool) -> bool:
    """Exclude an article from the archive, or include it, with history; return whether anything changed."""
    return _set(session, article, now, "kept_out", value=kept_out)


def set_pin(session: Session, article: Article, now: datetime, *, pin: bool) -> bool:
    """Pin an article to the top of its section, or no longer, with history; return whether anything changed."""
    return _set(session, article, now, "pin", value=pin)


def _set(session: Session, article: Article, now: datetime, name: str, *, value: bool) -> bool:
    if getattr(article, name) == value:
        return False
    _keep_history(session, article, now)
    setattr(article, name, value)
    article.updated_at = now
    article.content_hash = content_hash(content_of(article, group=article.group))
    session.add(article)
    session.flush()
    return True


def keep_media(session: Session, image: LoadedImage, *, now: datetime) -> None:
    """Store a picture unless it is there already."""
    if session.get(Media, image.hash) is None:
        session.add(Media(**asdict(image), created_at=now))


def _keep_history(session: Session, article: Article, now: datetime) -> None:
    if article.id is None:
        return
    content, old_hash = content_of(article, group=article.group), article.content_hash
    same = select(ArticleHistory).filter_by(article_id=article.id, content_hash=old_hash, replaced_at=now)
    if session.exec(same).first() is None:
        session.add(ArticleHistory(article_id=article.id, content_hash=old_hash, content=content, replaced_at=now))


def _fill(article: Article, draft: Draft, group: str) -> None:
    content = content_of(draft, group=group)
    for name in CONTENT_FIELDS:
        setattr(article, name, content[name])
    article.starts_on, article.ends_on, article.apply_by = draft.starts_on, draft.ends_on, draft.apply_by
    article.images, article.videos = content["images"], content["videos"]
    article.group, article.kept_out = group, draft.kept_out
    article.content_hash = content_hash(content)
