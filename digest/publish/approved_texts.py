"""What an issue said when it was approved: the texts that changed since, as differences."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from digest.articles import store as articles
from digest.articles.draft import content_of
from digest.articles.exporting import as_markdown
from digest.articles.models import Article, ArticleHistory
from digest.issues.models import Issue
from digest.publish.approval import part_hash

ARTICLE = "article "
"""How the manifest's parts begin that are articles."""


@dataclass(frozen=True, slots=True)
class TextChange:
    """An article that changed since the approval; `difference` leads from the approved text to the present one."""

    slug: str
    title: str
    difference: tuple[str, ...]


def changed_texts(session: Session, issue: Issue, current: Mapping[str, str]) -> list[TextChange]:
    """Return the articles whose text is another one than what was approved."""
    approved = issue.approved_manifest or {}
    changed = [name for name, value in current.items() if name in approved and approved[name] != value]
    found = []
    for slug in (name.removeprefix(ARTICLE) for name in changed if name.startswith(ARTICLE)):
        article = articles.get(session, slug)
        before = _approved_text(session, article, approved[f"{ARTICLE}{slug}"])
        if before is not None:
            now = as_markdown(slug, content_of(article, group=article.group))
            found.append(TextChange(slug, article.title, tuple(_lines(before, now))))
    return found


def _approved_text(session: Session, article: Article, wanted: str) -> str | None:
    query = select(ArticleHistory).where(ArticleHistory.article_id == article.id)
    for kept in session.exec(query.order_by(col(ArticleHistory.id).desc())):
        if part_hash(kept.content_hash) == wanted:
            return as_markdown(article.slug, kept.content)
    return None


def _lines(before: str, after: str) -> Iterator[str]:
    """Return a unified difference without its head, with two lines around each change."""
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]:
        yield "" if line.startswith("@@") else line
