"""Removal of articles that no issue carries."""

from sqlalchemy import delete
from sqlmodel import Session, col, select

from digest.articles import store
from digest.articles.models import Article, ArticleHistory
from digest.issues.models import Issue, IssueItem
from digest.runtime.errors import RefusedError


def remove_article(session: Session, slug: str) -> None:
    """Remove an article and its history; its pictures stay. The caller commits.

    Raises NotFoundError, and RefusedError for an article in an issue or one that others translate.
    """
    article = store.get(session, slug)
    carrying = select(Issue.number).join(IssueItem).where(IssueItem.group == article.group).order_by(col(Issue.number))
    number = session.exec(carrying).first()
    if number is not None:
        hint = f"To remove it from a draft: `digest issue edit {number} --drop {article.group}`. Sent issues keep it."
        raise RefusedError(f"{slug} is in issue {number}.", hint=hint)
    others = select(Article.slug).where(Article.group == slug, Article.slug != slug).order_by(col(Article.slug))
    translation = session.exec(others).first()
    if translation is not None:
        raise RefusedError(f"{translation} translates {slug}.", hint=f"Remove {translation} first.")
    session.execute(delete(ArticleHistory).where(col(ArticleHistory.article_id) == article.id))
    session.delete(article)
    session.flush()
