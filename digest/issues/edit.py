"""Edits of an issue by hand: its texts, and which articles it has in which order. Callers commit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlmodel import Session, select

from digest.articles.models import Article
from digest.issues.assemble import BY_HAND
from digest.issues.models import Issue, IssueItem
from digest.issues.store import items_of
from digest.runtime.errors import NotFoundError, RefusedError, UsageError

INTRO_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ArticlePosition:
    """A position for an article, written SLUG:SECTION:POSITION, from 1 within the section."""

    slug: str
    section: str
    position: int

    @classmethod
    def parse(cls, text: str, sections: set[str]) -> "ArticlePosition":
        """Parse SLUG:SECTION:POSITION; the section must be one of `sections`."""
        parts = text.split(":")
        if len(parts) != 3 or not parts[2].isdigit() or int(parts[2]) < 1:
            raise UsageError(f"{text!r} is not of the form SLUG:SECTION:POSITION", hint="For example: expo-2021:news:1")
        if parts[1] not in sections:
            raise UsageError(f"Unknown section {parts[1]!r}", hint=f"Sections: {', '.join(sorted(sections))}.")
        return cls(parts[0], parts[1], int(parts[2]))


def set_texts(
    issue: Issue,
    language: str,
    *,
    subject: str | None = None,
    preheader: str | None = None,
    intro: Path | None = None,
    issue_date: str | None = None,
) -> None:
    """Set what is given; `language` is a code, or `*` for every language. An empty text restores the default."""
    if subject is not None:
        issue.subject = with_text(issue.subject, language, one_line(subject, "The subject"))
    if preheader is not None:
        issue.preheader = with_text(issue.preheader, language, one_line(preheader, "The preheader"))
    if intro is not None:
        issue.intro = with_text(issue.intro, language, _read_text(intro))
    if issue_date is not None:
        try:
            issue.date = date.fromisoformat(issue_date)
        except ValueError as error:
            raise UsageError(f"{issue_date!r} is not a date", hint="Write YYYY-MM-DD.") from error


def one_line(text: str, what: str) -> str:
    """Return the text if it can be a header: without line breaks and control characters."""
    if any(not character.isprintable() for character in text):
        raise UsageError(f"{what} contains a line break or a control character")
    return text.strip()


def with_text(texts: dict[str, str], language: str, text: str) -> dict[str, str]:
    """Return the texts with one set, or removed if it is empty; `*` replaces all."""
    if language == "*":
        return {"*": text} if text else {}
    changed = {**texts, language: text}
    return changed if text else {key: value for key, value in texts.items() if key != language}


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > INTRO_BYTES:
            hint = "Keep the introduction to one or two paragraphs."
            raise UsageError(f"{path} is larger than {INTRO_BYTES // 1024} KB", hint=hint)
        return path.read_text(encoding="utf-8-sig").replace("\0", "")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 (byte {error.start})", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def add(session: Session, issue: Issue, slug: str, section_order: Sequence[str]) -> None:
    """Put an article at the end of its section."""
    _refuse_correction(issue)
    article = session.exec(select(Article).where(Article.slug == slug)).first()
    if article is None:
        raise NotFoundError(f"There is no article {slug!r}", hint="To list the articles: digest articles list")
    if article.slug != article.group:
        raise UsageError(f"{slug!r} is a translation", hint=f"Add the original: {article.group}")
    carried = session.exec(select(IssueItem).where(IssueItem.group == slug)).first()
    if carried is not None:
        where = "this issue" if carried.issue_id == issue.id else "another issue"
        raise RefusedError(f"{slug!r} is already in {where}; an article is published only once")
    assert article.id is not None and issue.id is not None  # noqa: S101, PT018 - rows read from the database
    wanted = article.section or section_order[0]
    section = wanted if wanted in section_order else section_order[0]
    items = [item for item, _ in items_of(session, issue)]
    new = IssueItem(
        issue_id=issue.id, article_id=article.id, group=slug, section=section, position=0, reason=f"added {BY_HAND}"
    )
    _number(session, sorted([*items, new], key=_rank_in(section_order)))
    issue.left_out = [entry for entry in issue.left_out if entry["slug"] != slug]


def drop(session: Session, issue: Issue, slug: str) -> None:
    """Remove an article; it stays out when the issue is assembled again."""
    _refuse_correction(issue)
    items = [item for item, _ in items_of(session, issue)]
    gone = _find(items, slug, issue)
    session.delete(gone)
    _number(session, [item for item in items if item is not gone])
    issue.left_out = [*issue.left_out, {"slug": slug, "reason": f"dropped {BY_HAND}"}]


def move_to(session: Session, issue: Issue, place: ArticlePosition, section_order: Sequence[str]) -> None:
    """Move an article of the issue; sections keep their order."""
    items = [item for item, _ in items_of(session, issue)]
    moved = _find(items, place.slug, issue)
    items.remove(moved)
    moved.section, moved.reason = place.section, f"moved {BY_HAND}"
    mates = [item for item in items if item.section == place.section]
    mates.insert(place.position - 1, moved)
    others = [item for item in items if item.section != place.section]
    _number(session, sorted([*others, *mates], key=_rank_in(section_order)))


def _rank_in(section_order: Sequence[str]) -> Callable[[IssueItem], int]:
    """Return a sort key by section; sections that the publication no longer has come last."""
    return lambda item: section_order.index(item.section) if item.section in section_order else len(section_order)


def _refuse_correction(issue: Issue) -> None:
    """Raise RefusedError for a correction: who gets it follows from the article that it corrects."""
    if issue.corrects is not None:
        message = f"Issue {issue.number} corrects {issue.corrected_article} and has no other articles"
        raise RefusedError(message, hint=f"To give it up: digest issue withdraw {issue.number}")


def _find(items: list[IssueItem], slug: str, issue: Issue) -> IssueItem:
    found = next((item for item in items if item.group == slug), None)
    if found is None:
        hint = "To list its articles: digest issue show"
        raise NotFoundError(f"Issue {issue.number} has no article {slug!r}", hint=hint)
    return found


def _number(session: Session, items: list[IssueItem]) -> None:
    for position, item in enumerate(items):
        item.position = position
        session.add(item)
    session.flush()
