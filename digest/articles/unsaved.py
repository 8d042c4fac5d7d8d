"""Texts that somebody typed and has not saved, kept so that a lost connection loses nothing."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from digest.articles.models import UnsavedArticle

KEPT = timedelta(days=60)


def keep(session: Session, who: str, slug: str, values: Mapping[str, Any], *, base: str, now: datetime) -> None:
    """Keep the values of a form instead of those that were kept before; very old ones of anybody are deleted."""
    session.execute(delete(UnsavedArticle).where(col(UnsavedArticle.saved_at) < now - KEPT))
    discard(session, who, slug)
    session.add(UnsavedArticle(who=who, slug=slug, base_hash=base, content=dict(values), saved_at=now))


def find(session: Session, who: str, slug: str) -> UnsavedArticle | None:
    """Return what a person has not saved of an article, of a new one with an empty slug."""
    return session.exec(select(UnsavedArticle).filter_by(who=who, slug=slug)).first()


def discard(session: Session, who: str, slug: str) -> None:
    """Forget what a person has not saved of an article."""
    of = (col(UnsavedArticle.who) == who, col(UnsavedArticle.slug) == slug)
    session.execute(delete(UnsavedArticle).where(*of))
