"""Change of address, requested on the preferences page and confirmed by a link mailed to the new address.

Neither the page nor the requester's own data reveals whether the new address is known or suppressed. The old address
is suppressed as unsubscribed, so that no import brings it back; a sign-up confirmed from there lifts that.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from subscribers import consent, store, suppression
from subscribers.address import EmailAddress
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import ConsentRefusedError, LinkInvalidError
from subscribers.links import LIFETIMES, LinkPayload, Purpose
from subscribers.models import AddressChange, Subscriber, SubscriberState
from subscribers.suppression import SuppressionReason

LIFETIME = LIFETIMES[Purpose.ADDRESS]
# Subscribers can type other people's addresses: one mail a day to an address, three addresses a day of a subscriber.
QUIET = timedelta(hours=24)
MOST_A_DAY = 3
MOVED = "address-change"
"""Source of a suppression that stems from a change of address."""


class ChangeState(StrEnum):
    """State of a request: open, confirmed at the new address, or replaced by another."""

    ASKED = "asked"
    DONE = "done"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class ChangeDue:
    """A mail without a name to a new address; its link is for `ref`, with `nonce` as the extra, issued at `at`."""

    subscriber_id: int
    ref: str
    address: str
    language: str
    nonce: str
    at: datetime
    name: str = ""  # left out: another person may read there


@dataclass(frozen=True, slots=True)
class Moved:
    """A completed change, for the mails that inform the old `address` and take the links to the `new` one."""

    subscriber_id: int
    ref: str
    address: str
    name: str
    language: str
    nonce: str
    at: datetime
    new: str
    interests: str
    frequency: str


def request(
    session: Session,
    subscriber: Subscriber,
    address: EmailAddress,
    *,
    now: datetime,
    secret: bytes,
    new_ref: Callable[[], str],
    change_due: Callable[[Session, ChangeDue], None],
    wording: str = "",
) -> None:
    """Store a request for mail at `address`, and call `change_due` if a confirmation mail may go there."""
    row = store.lock(session, subscriber)
    if row.state != SubscriberState.CONFIRMED:
        raise ConsentRefusedError("Only a reader's address can be changed")
    key = suppression.key_of(address.key, secret)
    earlier = store.changes_of(session, row)
    recent = [one for one in earlier if now - one.requested_at < QUIET]
    if len(recent) >= MOST_A_DAY or any(_same(one, key) for one in recent):
        return
    _void(session, earlier)  # only the newest request counts: a mistyped address must not get the subscription later
    change = AddressChange(
        subscriber_id=row.id or 0,
        nonce=new_ref(),
        address=address.address,
        suppression_key=key,
        state=ChangeState.ASKED,
        requested_at=now,
    )
    session.add(change)
    session.flush()
    consent.record(session, row, ConsentKind.ADDRESS_ASKED, ConsentMethod.PAGE, now, wording=wording)
    if _free(session, address.key, key) and _may_mail(session, change, now):
        change_due(session, ChangeDue(row.id or 0, row.ref, change.address, row.language, change.nonce, now))


def change_of(session: Session, payload: LinkPayload, now: datetime) -> tuple[Subscriber, AddressChange]:
    """Return the subscriber and the request that a link is for. Raises LinkInvalidError if it is not in force."""
    # in this order: a change that is confirmed in between is then seen as asked, with its new address, and not as lost
    change = store.change_by_nonce(session, payload.extra)
    person = store.by_ref(session, payload.ref)
    if person is None or change is None or change.subscriber_id != person.id or now - change.requested_at > LIFETIME:
        raise LinkInvalidError
    done = change.state == ChangeState.DONE and change.suppression_key == person.suppression_key
    asked = change.state == ChangeState.ASKED and person.state == SubscriberState.CONFIRMED
    if not (done or asked):
        raise LinkInvalidError
    return person, change


def confirm(
    session: Session,
    payload: LinkPayload,
    *,
    now: datetime,
    on_moved: Callable[[Session, Moved], None],
    wording: str = "",
) -> Subscriber:
    """Change the address. Safe to repeat.

    Raises LinkInvalidError when the request was replaced or is too old, or the address is another subscriber's.
    """
    found = store.by_ref(session, payload.ref)
    if found is None:
        raise LinkInvalidError
    store.lock(session, found)
    person, change = change_of(session, payload, now)
    if change.state == ChangeState.DONE:
        return person
    address = EmailAddress.parse(change.address)
    if not _free(session, address.key, change.suppression_key):
        raise LinkInvalidError
    old_address, old_key = person.address, person.suppression_key or ""
    suppression.lift_by_confirmation(session, change.suppression_key)
    try:
        with session.begin_nested():
            person.address, person.address_key = address.address, address.key
            person.suppression_key, person.address_since = change.suppression_key, now
            session.add(person)
    except IntegrityError as error:  # a sign-up with that address at the same moment
        raise LinkInvalidError from error
    suppression.add(session, old_key, SuppressionReason.UNSUBSCRIBED, now, source=MOVED)
    _void(session, store.changes_of(session, person))
    change.state, change.address = ChangeState.DONE, ""
    session.add(change)
    detail = {"before": old_key, "after": change.suppression_key}
    kind, method = ConsentKind.ADDRESS_CHANGED, ConsentMethod.PAGE
    consent.record(session, person, kind, method, now, wording=wording, detail=detail)
    who = (person.id or 0, person.ref, old_address, person.name, person.language, change.nonce, now)
    on_moved(session, Moved(*who, person.address, person.interests, person.frequency))
    return person


def forget_expired(session: Session, now: datetime, forget: Callable[[Session, Sequence[str]], None]) -> int:
    """Delete requests that can no longer be confirmed, after `forget` got their nonces. Return their number."""
    expired = store.changes_before(session, now - LIFETIME)
    if expired:
        forget(session, [change.nonce for change in expired])
    for change in expired:
        session.delete(change)
    return len(expired)


def forget_person(session: Session, subscriber: Subscriber) -> None:
    """Remove addresses from the requests of an erased subscriber; a keyed hash stays until they expire."""
    _void(session, store.changes_of(session, subscriber))


def _same(change: AddressChange, key: str) -> bool:
    return change.state == ChangeState.ASKED and change.suppression_key == key


def _void(session: Session, changes: Iterable[AddressChange]) -> None:
    for change in changes:
        if change.state == ChangeState.ASKED:
            change.state, change.address = ChangeState.VOID, ""
            session.add(change)


def _free(session: Session, address_key: str, key: str) -> bool:
    """Whether no subscriber has the address, and it is suppressed at most because of a change of address."""
    held = suppression.lookup(session, key)
    moved_away = held is not None and held.reason == SuppressionReason.UNSUBSCRIBED and held.source == MOVED
    return store.by_key(session, address_key) is None and (held is None or moved_away)


def _may_mail(session: Session, change: AddressChange, now: datetime) -> bool:
    """Whether no mail went to this address in the last day; the unique key decides between concurrent requests."""
    if store.last_mailed(session, change.suppression_key, now - QUIET) is not None:
        return False
    try:
        with session.begin_nested():
            change.mailed_on = now.astimezone(UTC).date()
            session.add(change)
    except IntegrityError:
        session.refresh(change)
        return False
    return True
