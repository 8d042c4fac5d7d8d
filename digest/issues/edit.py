"""An editor's changes to the order of an issue. Callers commit."""

from dataclasses import dataclass

from sqlmodel import Session, select

from digest.articles.models import Article
from digest.issues.assemble import BY_HAND
from digest.issues.models import Issue, IssueItem
from digest.issues.store import items_of
from digest.runtime.errors import NotFoundError, RefusedError, UsageError


@dataclass(frozen=True, slots=True)
class Place:
    """Where an editor wants an article: SLUG:SECTION:POSITION, positions from 1 within the section."""

    slug: str
    section: str
    position: int

    @classmethod
    def parse(cls, text: str, sections: set[str]) -> "Place":
        """Read SLUG:SECTION:POSITION; the section must be one of `sections`."""
        parts = text.split(":")
        if len(parts) != 3 or not parts[2].isdigit() or int(parts[2]) < 1:
            raise UsageError(f"{text!r} is not SLUG:SECTION:POSITION", hint="For example expo-2021:news:1")
        if parts[1] not in sections:
            raise UsageError(f"There is no section {parts[1]!r}", hint=f"Sections: {', '.join(sorted(sections))}")
        return cls(parts[0], parts[1], int(parts[2]))


def add(session: Session, issue: Issue, slug: str, default_section: str) -> None:
    """Put an article at the end of its section."""
    article = session.exec(select(Article).where(Article.slug == slug)).first()
    if article is None:
        raise NotFoundError(f"There is no article {slug!r}", hint="`digest articles list` shows them.")
    if article.slug != article.group:
        raise UsageError(f"{slug!r} is a translation", hint=f"Add the original: {article.group}")
    carried = session.exec(select(IssueItem).where(IssueItem.group == slug)).first()
    if carried is not None:
        where = "this issue" if carried.issue_id == issue.id else "another issue"
        raise RefusedError(f"{slug!r} is in {where} already; an article is published once")
    assert article.id is not None and issue.id is not None  # noqa: S101, PT018 - rows read from the database
    section = article.section or default_section
    items = [item for item, _ in items_of(session, issue)]
    new = IssueItem(
        issue_id=issue.id, article_id=article.id, group=slug, section=section, position=0, reason=f"added {BY_HAND}"
    )
    behind = max((place for place, item in enumerate(items) if item.section == section), default=len(items) - 1)
    items.insert(behind + 1, new)
    _number(session, items)
    issue.left_out = [entry for entry in issue.left_out if entry["slug"] != slug]


def drop(session: Session, issue: Issue, slug: str) -> None:
    """Take an article out; it stays out when the issue is assembled again."""
    items = [item for item, _ in items_of(session, issue)]
    gone = _find(items, slug, issue)
    session.delete(gone)
    _number(session, [item for item in items if item is not gone])
    issue.left_out = [*issue.left_out, {"slug": slug, "reason": f"dropped {BY_HAND}"}]


def move_to(session: Session, issue: Issue, place: Place, section_order: list[str]) -> None:
    """Put an article of the issue at a place; sections keep their order."""
    items = [item for item, _ in items_of(session, issue)]
    moved = _find(items, place.slug, issue)
    items.remove(moved)
    moved.section, moved.reason = place.section, f"moved {BY_HAND}"
    mates = [item for item in items if item.section == place.section]
    mates.insert(place.position - 1, moved)
    others = [item for item in items if item.section != place.section]
    merged = sorted([*others, *mates], key=lambda item: section_order.index(item.section))
    _number(session, merged)


def _find(items: list[IssueItem], slug: str, issue: Issue) -> IssueItem:
    for item in items:
        if item.group == slug:
            return item
    raise NotFoundError(f"Issue {issue.number} has no article {slug!r}", hint="`digest issue show` lists its articles.")


def _number(session: Session, items: list[IssueItem]) -> None:
    for position, item in enumerate(items):
        item.position = position
        session.add(item)
    session.flush()
