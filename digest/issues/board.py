"""The issue board: an issue's articles by section, those outside it, and what assembling again would change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from digest.articles.models import Article
from digest.issues import store
from digest.issues.assemble import SectionRule
from digest.issues.edit import order_hash
from digest.issues.lifecycle import EDITABLE
from digest.issues.models import Issue, IssueItem


@dataclass(frozen=True, slots=True)
class BoardArticle:
    """An article of the issue, or one outside it; `carried` by another issue, it cannot be added."""

    slug: str
    title: str
    reason: str
    carried: bool = False
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    pin: bool = False
    display: str | None = None
    characters: int = 0


@dataclass(frozen=True, slots=True)
class BoardSection:
    """A section of the publication, also an empty one; `known` is false for one that it no longer has."""

    slug: str
    cap: int | None
    articles: tuple[BoardArticle, ...]
    known: bool = True


@dataclass(frozen=True, slots=True)
class Board:
    """An issue for its editors. `seen` names this order of articles; an edit says from which one it was made."""

    sections: tuple[BoardSection, ...]
    outside: tuple[BoardArticle, ...] = ()
    coming: tuple[str, ...] = ()
    going: tuple[str, ...] = ()
    reordered: bool = False
    seen: str = ""

    @property
    def count(self) -> int:
        """The number of the issue's articles."""
        return sum(len(section.articles) for section in self.sections)


def board_of(session: Session, issue: Issue, sections: Sequence[SectionRule]) -> Board:
    """Return the board of an issue; what assembling would change of one that can still be edited only."""
    placed = _articles(session, issue)
    order, inside = [(one.slug, section) for section, one in placed], {one.slug: one for _, one in placed}
    by_section: dict[str, list[BoardArticle]] = {}
    for section, one in placed:
        by_section.setdefault(section, []).append(one)
    caps = {rule.slug: rule.cap for rule in sections}
    shown = [BoardSection(slug, cap, tuple(by_section.get(slug, ()))) for slug, cap in caps.items()]
    shown += [BoardSection(slug, None, tuple(found), False) for slug, found in by_section.items() if slug not in caps]
    seen = order_hash(order)
    if issue.state not in EDITABLE or issue.special:
        outside = [BoardArticle(entry["slug"], "", entry["reason"]) for entry in issue.left_out]
        return Board(tuple(shown), _titled(session, outside), seen=seen)
    fresh = store.choose(session, issue, sections)
    chosen = [(one.slug, one.section) for one in fresh.chosen]
    coming = [BoardArticle(one.slug, "", one.reason) for one in fresh.chosen if one.slug not in inside]
    out = [BoardArticle(one.slug, "", one.reason, one.carried) for one in fresh.left_out if one.slug not in inside]
    going = inside.keys() - {slug for slug, _ in chosen}
    outside_titled = _titled(session, [*coming, *out])
    return Board(
        tuple(shown),
        outside_titled,
        coming=tuple(one.title for one in outside_titled[: len(coming)]),
        going=tuple(inside[slug].title for slug, _ in order if slug in going),
        reordered=[one for one in order if one[0] not in going] != [one for one in chosen if one[0] in inside],
        seen=seen,
    )


def _articles(session: Session, issue: Issue) -> list[tuple[str, BoardArticle]]:
    """Return the issue's articles in order with their sections, read without their bodies."""
    columns = (Article.title, Article.topics, Article.pin, Article.display, func.length(Article.body))
    query = select(IssueItem.group, IssueItem.section, IssueItem.reason, *columns)  # type: ignore[call-overload]
    query = query.join(Article, col(Article.id) == col(IssueItem.article_id)).where(IssueItem.issue_id == issue.id)
    rows = session.execute(query.order_by(col(IssueItem.position))).all()
    spoken: dict[str, list[str]] = {}
    languages = select(Article.group, Article.language).join(IssueItem, col(IssueItem.group) == col(Article.group))
    for group, language in session.exec(languages.where(IssueItem.issue_id == issue.id)):
        spoken.setdefault(group, []).append(language)
    return [
        (section, BoardArticle(group, title, reason, False, tuple(topics), tuple(spoken[group]), pin, display, size))
        for group, section, reason, title, topics, pin, display, size in rows
    ]


def _titled(session: Session, articles: Iterable[BoardArticle]) -> tuple[BoardArticle, ...]:
    """Return articles with their titles; what has been removed since has its slug."""
    listed = list(articles)
    if not listed:
        return ()
    query = select(Article.slug, Article.title).where(col(Article.slug).in_([one.slug for one in listed]))
    titles = dict(session.exec(query).all())
    return tuple(BoardArticle(one.slug, titles.get(one.slug, one.slug), one.reason, one.carried) for one in listed)
