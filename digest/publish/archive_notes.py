"""Changes to the archive by editors: keep an issue or an article out, show it again, add a note."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from digest.articles import store as article_store
from digest.editions import store as edition_store
from digest.issues.edit import one_line, with_text
from digest.issues.models import Issue, IssueItem
from digest.publish import archive
from digest.publish.approval import IN_BETWEEN, differences, manifest
from digest.publish.build import content_of
from digest.publish.freeze import store_archive
from digest.publish.publisher import Publisher
from digest.runtime.errors import UsageError

MAX_NOTE = 1_000


@dataclass(frozen=True, slots=True)
class Renewed:
    """An issue with a new archive page, and how its articles differ from the approved ones."""

    number: int
    changes: tuple[str, ...]


def set_kept_out(issue: Issue, now: datetime, *, kept_out: bool) -> bool:
    """Keep an issue out of the archive, or show it again; return whether that changed anything."""
    if issue.kept_out == kept_out:
        return False
    issue.kept_out, issue.archive_changed_at = kept_out, now
    return True


def set_note(issue: Issue, language: str, text: str, now: datetime) -> None:
    """Set the note above an issue's page, in one language or (`*`) in all; an empty text removes it."""
    if len(text) > MAX_NOTE:
        raise UsageError(
            f"The note has more than {MAX_NOTE} characters", hint="Publish a correction as an article of its own."
        )
    issue.note, issue.archive_changed_at = with_text(issue.note, language, one_line(text, "The note")), now


def keep_article_out(
    publisher: Publisher, session: Session, slug: str, now: datetime, *, kept_out: bool
) -> list[Renewed]:
    """Keep an article and its translations out of the archive, or show them again. The caller commits."""
    article = article_store.get(session, slug)
    if article.group != article.slug:
        raise UsageError(f"{slug!r} is a translation", hint=f"Use the original: {article.group}")
    if article_store.set_kept_out(session, article, now, kept_out=kept_out):
        for issue in _carrying(session, [slug]):
            issue.archive_changed_at = now
            session.add(issue)
    return renew(publisher, session, now)


def renew(publisher: Publisher, session: Session, now: datetime) -> list[Renewed]:
    """Make the missing pages without kept-out articles, of every published issue, from the articles as they are now."""
    kept, renewed = archive.kept_out(session), []
    for issue in _carrying(session, kept):
        if _has_page(session, issue, kept):
            continue
        store_archive(publisher, session, content_of(session, issue), now)
        if not _has_page(session, issue, kept):
            continue  # nothing is left of it
        issue.archive_changed_at = now
        session.add(issue)
        current = manifest(session, issue, publisher.settings, publisher.templates)
        differs = differences(_of_page(issue.approved_manifest or {}), _of_page(current))
        changes = tuple(change for change in differs if change.removeprefix("article ").partition(" ")[0] not in kept)
        renewed.append(Renewed(issue.number, changes))
    return renewed


def _of_page(parts: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in parts.items() if name != IN_BETWEEN}


def _carrying(session: Session, groups: Collection[str]) -> Sequence[Issue]:
    """Return the published issues with any of these articles, locked."""
    ids = select(IssueItem.issue_id).where(col(IssueItem.group).in_(groups))
    query = select(Issue).where(col(Issue.id).in_(ids), col(Issue.frozen_at).is_not(None))
    return session.exec(query.order_by(col(Issue.number)).with_for_update()).all()


def _has_page(session: Session, issue: Issue, kept: frozenset[str]) -> bool:
    """Whether each language has a page with all articles but the kept-out ones, unless none is left."""
    assert issue.id is not None  # noqa: S101 - read from the database
    rows = edition_store.of_issue(session, issue.id, archive=True)
    stored = [archive.Stored(row.id or 0, row.language, row.subject, row.articles) for row in rows]
    fit = archive.fitting(stored, kept)
    return all(
        kept.issuperset(full.articles) or (language in fit and set(full.articles) - kept == set(fit[language].articles))
        for language, full in archive.fitting(stored, frozenset()).items()
    )
