"""Assignment of feedback to what was sent: by the signed return path, else by a Message-ID of ours for that recipient.

A Message-ID counts only with the address it was made for: both stand in a real report, and a forger has one at most.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlmodel import Session

from digest.delivery.mail.headers import message_id_of
from digest.delivery.mail.return_path import Claim, ReturnPath
from digest.feedback.classification import Understood
from digest.outbox.tables import DELIVERY, ISSUE, NOTICE, SUBSCRIBER, Promised
from digest.settings.root import Settings
from subscribers.address import EmailAddress
from subscribers.errors import AddressError

_MAX_ADDRESSES = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery or notice that feedback is about."""

    promised: Promised
    id: int
    name: tuple[str, str]
    address: str
    state: str
    attempt_id: str | None
    attempts: int
    issue_id: int | None
    subscriber_id: int | None

    @property
    def mark(self) -> str:
        """Identifies it, with the attempt, within event ids."""
        return f"{self.promised[0]}{self.id}:{self.attempts}"


class Matcher:
    """Finds what was sent for batches of feedback."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.message_key
        self._domain = settings.publication.sender_domain
        self._return_path = ReturnPath(settings.feedback.return_path, settings.message_key)

    def find(self, session: Session, batch: Sequence[Understood]) -> list[Sent | None]:
        """Return for each what it is about; None for what cannot be assigned."""
        by_claim = self._claimed(session, {claim for one in batch for claim in one.claims})
        found = [next((by_claim[claim] for claim in one.claims if claim in by_claim), None) for one in batch]
        rest = [one for one, sent in zip(batch, found, strict=True) if sent is None and one.message_ids]
        by_id = (
            self._addressed(session, {address for one in rest for address in one.addresses[:_MAX_ADDRESSES]})
            if rest
            else {}
        )
        return [sent or _by_message_id(one, by_id) for one, sent in zip(batch, found, strict=True)]

    def _claimed(self, session: Session, claims: Iterable[Claim]) -> dict[Claim, Sent]:
        found = {}
        claims = list(claims)
        for promised in Promised:
            mine = [claim for claim in claims if promised.startswith(claim.letter)]
            which = promised.table.c.id.in_({claim.id for claim in mine})
            rows = {one.id: one for one in _sent(session, promised, which)} if mine else {}
            for claim in mine:
                sent = rows.get(claim.id)
                if sent is not None and self._return_path.confirms(claim, sent.name):
                    found[claim] = sent
        return found

    def _addressed(self, session: Session, addresses: Iterable[str]) -> dict[tuple[str, str], Sent]:
        """Return what was sent to these addresses, by the address's key and the Message-ID."""
        keys = {key for address in addresses if (key := _key(address))}
        found = {}
        for promised, column in ((Promised.DELIVERY, SUBSCRIBER.c.address_key), (Promised.NOTICE, NOTICE.c.address)):
            for one in _sent(session, promised, column.in_(keys)):
                found[_key(one.address), message_id_of(self._key, promised, one.name, self._domain)] = one
        return found


def _by_message_id(one: Understood, known: dict[tuple[str, str], Sent]) -> Sent | None:
    pairs = ((_key(address), own_id) for address in one.addresses for own_id in one.message_ids)
    return next((known[pair] for pair in pairs if pair in known), None)


def _key(address: str) -> str:
    try:
        return EmailAddress.parse(address).key
    except AddressError:
        return ""


def _sent(session: Session, promised: Promised, which: Any) -> Iterator[Sent]:
    table = promised.table
    names = (ISSUE.c.number, SUBSCRIBER.c.ref, SUBSCRIBER.c.address, DELIVERY.c.issue_id)
    if promised is Promised.NOTICE:
        names = (NOTICE.c.kind, NOTICE.c.key, NOTICE.c.address, None)  # type: ignore[assignment]
    own = (table.c.id, table.c.state, table.c.attempt_id, table.c.attempts, table.c.subscriber_id)
    query: Select[Any] = select(*own, *(column for column in names if column is not None)).where(which)
    if promised is Promised.DELIVERY:
        query = query.join(ISSUE, ISSUE.c.id == DELIVERY.c.issue_id)
        query = query.join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
    for of_id, state, attempt_id, attempts, subscriber_id, first, second, address, *issue in session.execute(query):
        issue_id = issue[0] if issue else None
        yield Sent(promised, of_id, (str(first), second), address, state, attempt_id, attempts, issue_id, subscriber_id)
