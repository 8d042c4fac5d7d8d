"""Storage of editions, which are saved when the issue is frozen. Callers commit."""

import hashlib
import json
from collections.abc import Sequence

from sqlmodel import Session, col, select

from digest.editions.models import Edition


def content_hash(edition: Edition) -> str:
    """Return the hash of all that a reader sees of an edition but the slots' values."""
    parts = [edition.archive, edition.language, edition.articles, edition.subject, edition.preheader]
    return hashlib.sha256(json.dumps([*parts, edition.html, edition.text], ensure_ascii=False).encode()).hexdigest()


def save(session: Session, edition: Edition) -> int:
    """Store the edition unless the issue has one with this content; return the stored one's id."""
    edition.content_hash = content_hash(edition)
    query = select(Edition.id).where(Edition.issue_id == edition.issue_id, Edition.content_hash == edition.content_hash)
    if (known := session.exec(query).first()) is not None:
        return known
    session.add(edition)
    session.flush()
    assert edition.id is not None  # noqa: S101 - flushed
    return edition.id


def of_issue(session: Session, issue_id: int, *, archive: bool = False) -> Sequence[Edition]:
    """Return the stored editions of an issue, for readers or for the archive."""
    query = select(Edition).where(Edition.issue_id == issue_id, Edition.archive == archive)
    return session.exec(query.order_by(col(Edition.id))).all()


def by_hash(session: Session, digest: str) -> Edition | None:
    """Return the edition with this content hash, the newest if several issues have it."""
    query = select(Edition).where(Edition.content_hash == digest).order_by(col(Edition.id).desc())
    return session.exec(query.limit(1)).first()
