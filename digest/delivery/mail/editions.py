"""The editions that a worker sends, read once: outlines whose fragments they share, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import select
from sqlmodel import Session

from digest.editions import fragments as stored
from digest.outbox.tables import EDITION, ISSUE
from digest.render.parts import Fragment, PartOutline, Parts, digest_of, joined, whole

MOST_BYTES = 64 * 1024 * 1024
"""Of fragments that are kept, as stored; encoded they take two to four times that."""
_REFERENCES = 16
"""Bytes of an edition for each of its fragments."""
IN_USE_SECONDS = 150.0
"""No message is written for a delivery that was taken longer ago (`worker.loop.STALE_SECONDS`)."""


@dataclass(frozen=True, slots=True)
class PreparedEdition:
    """What all messages of an edition have in common, before its parts are joined."""

    issue: int
    language: str
    subject: str
    content_hash: str
    digest: str
    plain: PartOutline
    html: PartOutline
    size: int
    fragments: Sequence[Fragment] = ()

    @property
    def parts(self) -> Parts:
        """The parts, joined: to be kept by the caller for the next messages."""
        return joined(self.digest, self.plain, self.html)


class PreparedEditions:
    """Editions by id. Those that were not needed for some time are forgotten when there are too many."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._known: dict[int, PreparedEdition] = {}
        self._needed_at: OrderedDict[int, float] = OrderedDict()
        self._fragments: WeakValueDictionary[tuple[int, str, int], Fragment] = WeakValueDictionary()
        self._size = 0

    def __getitem__(self, edition_id: int) -> PreparedEdition:
        return self._known[edition_id]

    def prepare(self, session: Session, edition_ids: Iterable[int], now: float | None = None) -> None:
        """Read the editions that are not known. Raises DatabaseDamagedError for what is not as it was frozen."""
        now, wanted = time.monotonic() if now is None else now, set(edition_ids)
        if missing := wanted - self._known.keys():
            self._read(session, missing)
        for edition_id in wanted & self._known.keys():
            self._needed_at[edition_id] = now
            self._needed_at.move_to_end(edition_id)
        while self._size > self._most:
            oldest, needed_at = next(iter(self._needed_at.items()))
            if now - needed_at < IN_USE_SECONDS:
                break
            self._size -= self._known.pop(oldest).size
            del self._needed_at[oldest]

    def _read(self, session: Session, edition_ids: Collection[int]) -> None:
        query = select(EDITION, ISSUE.c.number).join(ISSUE, ISSUE.c.id == EDITION.c.issue_id)
        rows = session.execute(query.where(EDITION.c.id.in_(edition_ids))).all()
        lists = stored.lists_of(session, edition_ids)
        needed: dict[tuple[int, str], set[int]] = {}
        for row in rows:
            needed.setdefault((row.issue_id, row.nonce), set()).update(*lists.get(row.id, {}).values())
        encoded = {key: self._encoded(session, *key, numbers) for key, numbers in needed.items()}
        for row in rows:
            made = _joined(row, lists[row.id], *encoded[row.issue_id, row.nonce]) if row.id in lists else _whole(row)
            self._known[row.id] = made
            self._size += made.size

    def _encoded(
        self, session: Session, issue_id: int, nonce: str, numbers: Iterable[int]
    ) -> tuple[dict[int, Fragment], dict[int, int]]:
        """Return fragments of an issue, and the sizes of those that were not known."""
        kept = {number: self._fragments.get((issue_id, nonce, number)) for number in numbers}
        missing = {number for number, fragment in kept.items() if fragment is None}
        texts = stored.contents(session, issue_id, missing, checked=True)
        fresh = {number: Fragment.of(text, nonce) for number, text in texts.items()}
        self._fragments.update({(issue_id, nonce, number): fragment for number, fragment in fresh.items()})
        found = {number: fragment for number, fragment in kept.items() if fragment is not None} | fresh
        return found, {number: len(text) for number, text in texts.items()}


def _joined(
    row: Any, lists: Mapping[str, Sequence[int]], fragments: Mapping[int, Fragment], fresh: dict[int, int]
) -> PreparedEdition:
    """`fresh` has the sizes of fragments that count for the first edition that has them."""
    text, html = ([fragments[number] for number in lists.get(part, ())] for part in (stored.TEXT, stored.HTML))
    own = fresh.keys() & {number for numbers in lists.values() for number in numbers} if fresh else ()
    size = sum(fresh.pop(number) for number in own) + _REFERENCES * (len(text) + len(html))
    made = _prepared(row, row.content_hash, PartOutline.of(text), PartOutline.of(html), size)
    return replace(made, fragments=[*text, *html])


def _whole(row: Any) -> PreparedEdition:
    """Return an edition that was frozen before there were fragments; its mails stay as they were."""
    plain, html = whole(row.text, row.nonce), whole(row.html, row.nonce)
    return _prepared(row, digest_of(row.html, row.text, row.nonce), plain, html, len(row.html) + len(row.text))


def _prepared(row: Any, digest: str, plain: PartOutline, html: PartOutline, size: int) -> PreparedEdition:
    return PreparedEdition(row.number, row.language, row.subject, row.content_hash, digest, plain, html, size)
