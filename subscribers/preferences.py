"""Changes by subscribers: preferences, pause, unsubscribe, erasure; each with its consent event in one transaction.

Each locks the subscriber's row, which conflicts with the share lock of a take: a running take ends first, and later
ones see the change.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlmodel import Session

from subscribers import address_change, consent, store, suppression
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import ConsentRefusedError
from subscribers.models import Subscriber, SubscriberState
from subscribers.suppression import SuppressionReason

LEFT = frozenset({SubscriberState.UNSUBSCRIBED, SubscriberState.ERASED})


@dataclass(frozen=True, slots=True)
class Choices:
    """Preferences to change; None leaves one as it is. `interests` is canonical text."""

    interests: str | None = None
    language: str | None = None
    format: str | None = None
    frequency: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A completed unsubscribe, for the goodbye mail."""

    subscriber_id: int
    ref: str
    address: str
    name: str
    language: str
    method: ConsentMethod
    at: datetime


def change(
    session: Session,
    subscriber: Subscriber,
    choices: Choices,
    *,
    method: ConsentMethod,
    now: datetime,
    wording: str = "",
) -> dict[str, list[str]]:
    """Apply the choices; return the changes as {field: [before, after]}."""
    row = _present(session, subscriber)
    changed = {
        name: [str(getattr(row, name)), str(value)]
        for name, value in asdict(choices).items()
        if value is not None and value != getattr(row, name)
    }
    for name, (_, after) in changed.items():
        setattr(row, name, after)
    if changed:
        session.add(row)
        consent.record(session, row, ConsentKind.CHANGED, method, now, wording=wording, detail=changed)
    return changed


def pause(
    session: Session,
    subscriber: Subscriber,
    until: datetime,
    *,
    method: ConsentMethod,
    now: datetime,
    wording: str = "",
) -> None:
    """Pause mail until `until`; issues of that time are not sent later."""
    row = _present(session, subscriber)
    if row.paused_until == until:
        return
    row.paused_until = until
    session.add(row)
    detail = {"until": until.isoformat()}
    consent.record(session, row, ConsentKind.PAUSED, method, now, wording=wording, detail=detail)


def resume(
    session: Session, subscriber: Subscriber, *, method: ConsentMethod, now: datetime, wording: str = ""
) -> None:
    """End a pause, if there is one."""
    row = _present(session, subscriber)
    if row.paused_until is None:
        return
    row.paused_until = None
    session.add(row)
    consent.record(session, row, ConsentKind.RESUMED, method, now, wording=wording)


def unsubscribe(
    session: Session,
    subscriber: Subscriber,
    *,
    method: ConsentMethod,
    now: datetime,
    secret: bytes,
    on_unsubscribed: Callable[[Session, Withdrawal], None] | None = None,
    wording: str = "",
) -> bool:
    """End the subscription; False if it had ended before. Safe to repeat. `secret` is the suppression key."""
    ids, listener = [subscriber.id or 0], on_unsubscribed
    return bool(unsubscribe_all(session, ids, method, now, secret, on_unsubscribed=listener, wording=wording))


def unsubscribe_all(
    session: Session,
    ids: Sequence[int],
    method: ConsentMethod,
    now: datetime,
    secret: bytes,
    *,
    on_unsubscribed: Callable[[Session, Withdrawal], None] | None = None,
    wording: str = "",
) -> list[int]:
    """End several subscriptions with as many statements as one; return the ids of those that had not ended before.

    Their rows are locked in id order, as a take locks them.
    """
    rows = [row for row in store.lock_all(session, ids) if SubscriberState(row.state) not in LEFT]
    keys = [suppression.key_of(row.address_key or "", secret) for row in rows]
    for row in rows:
        consent.move(row, SubscriberState.UNSUBSCRIBED)
        row.unsubscribed_at, row.paused_until = now, None
        session.add(row)
    suppression.add_all(session, dict.fromkeys(keys, method), SuppressionReason.UNSUBSCRIBED, now)
    for row in rows:
        consent.record(session, row, ConsentKind.UNSUBSCRIBED, method, now, wording=wording)
        if on_unsubscribed is not None:
            left = Withdrawal(row.id or 0, row.ref, row.address, row.name, row.language, method, now)
            on_unsubscribed(session, left)
    return [row.id or 0 for row in rows]


def resubscribe(session: Session, subscriber: Subscriber, *, now: datetime, secret: bytes, wording: str = "") -> bool:
    """Undo an unsubscribe, on the subscriber's own POST; False if there was none.

    Lifts `unsubscribed` from the never-send list; bounces and complaints stay and keep mail back.
    """
    row = store.lock(session, subscriber)
    if row.state != SubscriberState.UNSUBSCRIBED:
        return False
    consent.move(row, SubscriberState.CONFIRMED)
    row.confirmed_at, row.unsubscribed_at = now, None
    session.add(row)
    suppression.lift_by_confirmation(session, suppression.key_of(row.address_key or "", secret))
    kind, detail = ConsentKind.CONFIRMED, {"again": True}
    consent.record(session, row, kind, ConsentMethod.PAGE, now, wording=wording, detail=detail)
    return True


def erase(
    session: Session,
    subscriber: Subscriber,
    *,
    method: ConsentMethod,
    now: datetime,
    secret: bytes,
    forget: Callable[[Session, Subscriber], None] | None = None,
    wording: str = "",
    remember_hash: bool = True,
) -> bool:
    """Empty every personal column and the details of the consent events; False if that was done before.

    The row, the events and, with `remember_hash`, a keyed hash on the never-send list stay: the hash keeps imports from
    adding the person again. `forget` clears other tables. It is called before the row is locked, because a take locks
    notices before subscribers and the other order could deadlock, and again after, for notices promised in between.
    """
    if forget is not None:
        forget(session, subscriber)
    row = store.lock(session, subscriber)
    if row.state == SubscriberState.ERASED:
        return False
    if forget is not None:
        forget(session, row)
    if remember_hash:
        key = suppression.key_of(row.address_key or "", secret)
        suppression.add(session, key, SuppressionReason.ERASED, now)
    consent.move(row, SubscriberState.ERASED)
    row.address = row.name = row.language = row.interests = ""
    row.address_key = row.suppression_key = None
    row.confirmed_at = row.unsubscribed_at = row.paused_until = row.address_since = None
    session.add(row)
    for event in store.events(session, row):
        event.detail = {}
        session.add(event)
    address_change.forget_person(session, row)
    consent.record(session, row, ConsentKind.ERASED, method, now, wording=wording)
    return True


def _present(session: Session, subscriber: Subscriber) -> Subscriber:
    """Return the subscriber's row, locked. Raises ConsentRefusedError if they were erased."""
    row = store.lock(session, subscriber)
    if row.state == SubscriberState.ERASED:
        raise ConsentRefusedError("This subscriber's data has been erased and cannot be changed")
    return row
