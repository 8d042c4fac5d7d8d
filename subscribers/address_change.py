"""A change of address: asked for on the preferences page, done by whoever reads the mail at the new address.

Until then the old address stays. Who asks is never told whether the new one is known or suppressed, and what is kept
of the request is the same in each case, so that their own data does not tell it either.

The old address becomes free: its next owner may sign up. It also goes on the never-send list, as if it had left, so
that an old file cannot bring it back; only a confirmation that is made there lifts that.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
# A reader can type anybody's address: one mail a day to an address, and three addresses a day of one reader.
QUIET = timedelta(hours=24)
MOST_A_DAY = 3
# Says in the never-send list that an address was left by a change and not by leaving.
MOVED = "address-change"


class ChangeState(StrEnum):
    """What became of a request: asked for, confirmed at the new address, or replaced by another."""

    ASKED = "asked"
    DONE = "done"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class ChangeDue:
    """A mail to a new address that is due: its link is for `ref`, with `nonce` as the extra, issued at `at`."""

    subscriber_id: int
    ref: str
    address: str
    language: str
    nonce: str
    at: datetime
    name: str = ""  # left out: another person may read there


@dataclass(frozen=True, slots=True)
class Moved:
    """A person whose mail goes to a new address from now on; the mail that says so goes to `address`, the old one."""

    subscriber_id: int
    ref: str
    address: str
    name: str
    language: str
    nonce: str
    at: datetime


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
    """Note that a reader wants their mail at `address`, and call `change_due` if a mail may go there."""
    row = store.lock(session, subscriber)
    if row.state != SubscriberState.CONFIRMED:
        raise ConsentRefusedError("Only a reader's address can be changed")
    key = suppression.key_of(address.key, secret)
    earlier = store.changes_of(session, row)
    recent = [one for one in earlier if now - one.requested_at < QUIET]
    if len(recent) >= MOST_A_DAY or any(_same(one, key) for one in recent):
        return
    _void(session, earlier)  # the last word counts: a mistyped address must not get the subscription later
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
        change_due(
            session,
            ChangeDue(
                subscriber_id=row.id or 0,
                ref=row.ref,
                address=change.address,
                language=row.language,
                nonce=change.nonce,
                at=now,
            ),
        )


def standing(session: Session, payload: LinkPayload, now: datetime) -> tuple[Subscriber, AddressChange]:
    """Return whose change a link is for, and the change; raise LinkInvalidError when there is nothing to do with it."""
    person, change = store.by_ref(session, payload.ref), store.change_by_nonce(session, payload.extra)
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
    """Change the address, by whoever reads the mail that went there. Safe to repeat.

    Raises LinkInvalidError when the request was replaced, is too old, or the address has become somebody else's.
    """
    found = store.by_ref(session, payload.ref)
    if found is None:
        raise LinkInvalidError
    store.lock(session, found)
    person, change = standing(session, payload, now)
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
    except IntegrityError as error:  # somebody signed up there at the same moment
        raise LinkInvalidError from error
    suppression.add(session, old_key, SuppressionReason.UNSUBSCRIBED, now, source=MOVED)
    _void(session, store.changes_of(session, person))
    change.state, change.address = ChangeState.DONE, ""
    session.add(change)
    detail = {"before": old_key, "after": change.suppression_key}
    consent.record(
        session, person, ConsentKind.ADDRESS_CHANGED, ConsentMethod.PAGE, now, wording=wording, detail=detail
    )
    on_moved(
        session,
        Moved(
            subscriber_id=person.id or 0,
            ref=person.ref,
            address=old_address,
            name=person.name,
            language=person.language,
            nonce=change.nonce,
            at=now,
        ),
    )
    return person


def forget_expired(session: Session, now: datetime, forget: Callable[[Session, Sequence[str]], None]) -> int:
    """Delete the requests that can no longer be confirmed; `forget` is told their nonces. Return how many."""
    expired = store.changes_before(session, now - LIFETIME)
    if expired:
        forget(session, [change.nonce for change in expired])
    for change in expired:
        session.delete(change)
    return len(expired)


def forget_person(session: Session, subscriber: Subscriber) -> None:
    """Empty what the requests of somebody who is erased hold of them; a keyed hash stays until they expire."""
    _void(session, store.changes_of(session, subscriber))


def _same(change: AddressChange, key: str) -> bool:
    return change.state == ChangeState.ASKED and change.suppression_key == key


def _void(session: Session, changes: Iterable[AddressChange]) -> None:
    for change in changes:
        if change.state == ChangeState.ASKED:
            change.state, change.address = ChangeState.VOID, ""
            session.add(change)


def _free(session: Session, address_key: str, key: str) -> bool:
    """Whether an address is nobody's, and on the never-send list only because a reader moved away from it."""
    held = suppression.lookup(session, key)
    moved_away = held is not None and held.reason == SuppressionReason.UNSUBSCRIBED and held.source == MOVED
    return store.by_key(session, address_key) is None and (held is None or moved_away)


def _may_mail(session: Session, change: AddressChange, now: datetime) -> bool:
    """Whether nobody asked for a mail to this address in the last day; the unique key decides between two at once."""
    if store.last_mailed(session, change.suppression_key, now - QUIET) is not None:
        return False
    try:
        with session.begin_nested():
            change.mailed_on = _day(now)
            session.add(change)
    except IntegrityError:
        session.refresh(change)
        return False
    return True


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
