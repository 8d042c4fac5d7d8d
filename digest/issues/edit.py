"""Edits of an issue by hand: its texts, and which articles it has in which order. Callers commit."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlmodel import Session, col, select

from digest.articles.models import Article
from digest.issues.assemble import BY_HAND, DROPPED, HELD, EarlierDecision
from digest.issues.models import Issue, IssueItem
from digest.issues.store import items_of, next_draft
from digest.runtime.errors import NotFoundError, RefusedError, UsageError
from digest.settings.publication import pick_own

INTRO_BYTES = 64 * 1024


class StaleError(RefusedError):
    """Somebody else has changed what this edit was made from."""

    default_hint = "Look at the issue as it is now, then make your change again."


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
    intro: str | None = None,
    issue_date: str | None = None,
) -> None:
    """Set what is given; `language` is a code, or `*` for every language. An empty text restores the default."""
    if subject is not None:
        issue.subject = with_text(issue.subject, language, one_line(subject, "The subject"))
    if preheader is not None:
        issue.preheader = with_text(issue.preheader, language, one_line(preheader, "The preheader"))
    if intro is not None:
        issue.intro = with_text(issue.intro, language, _intro(intro))
    if issue_date is not None:
        try:
            issue.date = date.fromisoformat(issue_date)
        except ValueError as error:
            raise UsageError(f"{issue_date!r} is not a date", hint="Write YYYY-MM-DD.") from error


@dataclass(frozen=True, slots=True)
class LanguageTexts:
    """The texts of an issue in one language; an empty one stands for the default."""

    subject: str = ""
    preheader: str = ""
    intro: str = ""

    @classmethod
    def of(cls, issue: Issue, language: str) -> "LanguageTexts":
        """Return what the issue says in a language."""
        return cls(*(pick_own(texts, language) for texts in (issue.subject, issue.preheader, issue.intro)))


def set_language_texts(issue: Issue, wanted: Mapping[str, LanguageTexts]) -> None:
    """Set the texts of all languages; a text that was for every language is so no longer once one differs."""
    now = {code: LanguageTexts.of(issue, code) for code in wanted}
    for name in ("subject", "preheader", "intro"):
        texts: dict[str, str] = getattr(issue, name)
        checked = {code: _checked(name, code, getattr(text, name)) for code, text in wanted.items()}
        if checked != {code: getattr(text, name) for code, text in now.items()}:
            others = {key: text for key, text in texts.items() if key not in wanted and key != "*"}
            setattr(issue, name, others | {code: text for code, text in checked.items() if text})


def _checked(name: str, language: str, text: str) -> str:
    return _intro(text) if name == "intro" else one_line(text, f"The {name} ({language})")


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


def _intro(text: str) -> str:
    _require_short("The introduction", len(text.encode()))
    return text.replace("\0", "").replace("\r\n", "\n") if text.strip() else ""


def _require_short(what: str, size: int) -> None:
    if size > INTRO_BYTES:
        hint = "Keep the introduction to one or two paragraphs."
        raise UsageError(f"{what} is larger than {INTRO_BYTES // 1024} KB", hint=hint)


def read_intro(path: Path) -> str:
    """Return the text of a file that contains an introduction."""
    try:
        _require_short(str(path), path.stat().st_size)
        return path.read_text(encoding="utf-8-sig")
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
    query = select(Issue.number).join(IssueItem, col(IssueItem.issue_id) == col(Issue.id))
    carried = session.exec(query.where(IssueItem.group == slug)).first()
    if carried is not None:
        raise RefusedError(f"{slug!r} is already in issue {carried}; an article is published only once")
    _put(session, issue, article, section_order, f"added {BY_HAND}")


def _put(session: Session, issue: Issue, article: Article, section_order: Sequence[str], reason: str) -> None:
    assert article.id is not None and issue.id is not None  # noqa: S101, PT018 - rows read from the database
    slug = article.slug
    wanted = article.section or section_order[0]
    section = wanted if wanted in section_order else section_order[0]
    items = [item for item, _ in items_of(session, issue)]
    new = IssueItem(issue_id=issue.id, article_id=article.id, group=slug, section=section, position=0, reason=reason)
    _number(session, sorted([*items, new], key=_rank_in(section_order)))
    issue.left_out = [entry for entry in issue.left_out if entry["slug"] != slug]


def drop(session: Session, issue: Issue, slug: str) -> None:
    """Remove an article; it stays out when this issue or a later one is assembled, until somebody adds it."""
    _take_out(session, issue, slug, DROPPED)


def hold(session: Session, issue: Issue, slug: str, section_order: Sequence[str]) -> Issue | None:
    """Remove an article and give it to the next issue: to its draft, which is returned, or whenever it is assembled."""
    if issue.special:
        raise RefusedError(f"Issue {issue.number} is special: no issue follows it", hint="Drop the article instead.")
    article = _take_out(session, issue, slug, HELD)
    following = next_draft(session, issue)
    assert issue.number is not None  # noqa: S101 - read from the database
    if following is not None:
        _put(session, following, article, section_order, EarlierDecision(issue.number, held=True).reason)
        session.add(following)
    return following


def _take_out(session: Session, issue: Issue, slug: str, reason: str) -> Article:
    _refuse_correction(issue)
    found = items_of(session, issue)
    items = [item for item, _ in found]
    gone = _find(items, slug, issue)
    session.delete(gone)
    _number(session, [item for item in items if item is not gone])
    issue.left_out = [*issue.left_out, {"slug": slug, "reason": reason}]
    return next(article for item, article in found if item is gone)


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


def order_hash(order: Sequence[tuple[str, str]]) -> str:
    """Return what tells an order of articles, `store.order_of`, from others."""
    return _short_hash(order)


def texts_hash(issue: Issue) -> str:
    """Return what tells an issue's texts and date from others."""
    return _short_hash([issue.subject, issue.preheader, issue.intro, issue.date.isoformat()])


def _short_hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def require_unchanged(seen: str, current: str) -> None:
    """Raise StaleError unless an edit was made from what is current."""
    if seen != current:
        raise StaleError("Someone has changed the issue since you opened this page")
