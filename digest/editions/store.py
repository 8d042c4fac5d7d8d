"""Storage of editions, which are saved when the issue is frozen, as lists of fragments. Callers commit.

Editions of before there were fragments have their parts in columns of their own, and are read all the same.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import insert
from sqlmodel import Session, col, select

from digest.editions.fragments import HTML, PARTS, TEXT, FragmentNumbers, contents, lists_of
from digest.editions.models import Edition, EditionFragments


@dataclass(frozen=True, slots=True)
class NewEdition:
    """An edition to be stored, with the pieces that its parts are joined of."""

    row: Edition
    html: Sequence[str]
    text: Sequence[str]


@dataclass(frozen=True, slots=True)
class Document:
    """The parts of an edition as stored, with slot tokens that contain `nonce`."""

    nonce: str
    html: str
    text: str


def content_hash(
    edition: Edition, html: Iterable[str], text: Iterable[str], written: dict[str, bytes] | None = None
) -> str:
    """Return the hash of all that a reader sees of an edition but the slots' values; its parts are given in pieces.

    `written` keeps pieces as JSON for other editions that have them.
    """
    written = {} if written is None else written
    parts = [edition.archive, edition.language, edition.articles, edition.subject, edition.preheader]
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()[:-1])
    for pieces in (html, text):
        digest.update(b', "')
        for piece in pieces:
            if piece not in written:
                written[piece] = json.dumps(piece, ensure_ascii=False)[1:-1].encode()
            digest.update(written[piece])
        digest.update(b'"')
    digest.update(b"]")
    return digest.hexdigest()


def save(session: Session, edition: Edition, html: Sequence[str], text: Sequence[str]) -> int:
    """Store the edition unless the issue has one with this content; return the stored one's id."""
    return save_all(session, edition.issue_id, [NewEdition(edition, html, text)])[0]


def save_all(session: Session, issue_id: int, editions: Sequence[NewEdition]) -> list[int]:
    """Store those editions of an issue, which is locked, that it does not have; return the ids of all, in order."""
    query = select(Edition.content_hash, Edition.id).where(Edition.issue_id == issue_id)
    known = {digest: one for digest, one in session.exec(query) if one is not None}
    written: dict[str, bytes] = {}
    fresh: dict[str, NewEdition] = {}
    for new in editions:
        new.row.content_hash = content_hash(new.row, new.html, new.text, written)
        if new.row.content_hash not in known:
            fresh.setdefault(new.row.content_hash, new)
    if fresh:
        session.add_all(new.row for new in fresh.values())
        session.flush()
        known |= {digest: new.row.id for digest, new in fresh.items() if new.row.id is not None}
        numbers = FragmentNumbers.of_issue(session, issue_id)
        lists = [
            {"edition_id": known[digest], "part": part, "fragments": numbers.of(pieces)}
            for digest, new in fresh.items()
            for part, pieces in ((HTML, new.html), (TEXT, new.text))
        ]
        numbers.store(session)
        session.execute(insert(EditionFragments), lists)
    return [known[new.row.content_hash] for new in editions]


def document(session: Session, edition: Edition) -> Document:
    """Read the parts of a stored edition. Raises DatabaseDamagedError for a missing fragment."""
    (_, html, text), *_ = pieces_of(session, [edition])
    return Document(edition.nonce, "".join(html), "".join(text))


def hashes(session: Session, editions: Sequence[Edition]) -> Iterator[tuple[Edition, str]]:
    """Yield stored editions of one issue, each with the hash of its content as it is. Raises DatabaseDamagedError."""
    written: dict[str, bytes] = {}
    for edition, html, text in pieces_of(session, editions):
        yield edition, content_hash(edition, html, text, written)


def pieces_of(
    session: Session, editions: Sequence[Edition]
) -> Iterator[tuple[Edition, tuple[str, ...], tuple[str, ...]]]:
    """Yield stored editions of one issue with the pieces of their HTML and text. Raises DatabaseDamagedError."""
    lists = lists_of(session, [edition.id for edition in editions if edition.id is not None])
    needed = {number for parts in lists.values() for numbers in parts.values() for number in numbers}
    found = contents(session, editions[0].issue_id, needed) if needed else {}
    for edition in editions:
        if (parts := lists.get(edition.id or 0)) is None:
            yield edition, (edition.html,), (edition.text,)
        else:
            html, text = (tuple(found[number] for number in parts.get(part, ())) for part in PARTS)
            yield edition, html, text


def of_issue(session: Session, issue_id: int, *, archive: bool = False) -> Sequence[Edition]:
    """Return the stored editions of an issue, for readers or for the archive."""
    query = select(Edition).where(Edition.issue_id == issue_id, Edition.archive == archive)
    return session.exec(query.order_by(col(Edition.id))).all()


def by_hash(session: Session, digest: str) -> Edition | None:
    """Return the edition with this content hash, the newest if several issues have it."""
    query = select(Edition).where(Edition.content_hash == digest).order_by(col(Edition.id).desc())
    return session.exec(query.limit(1)).first()
