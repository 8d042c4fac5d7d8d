"""What readers decide about themselves. Each change locks their row, and its proof is written in the same transaction.

The lock conflicts with the share lock of a take: a take that has begun is waited for, and no later one overlooks the
change.
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
    """What to change; None leaves a thing as it is. `interests` is canonical text."""

    interests: str | None = None
    language: str | None = None
    format: str | None = None
    frequency: str | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Somebody who has just left: what a goodbye needs."""

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
    """Apply the choices; return what changed as {field: [before, after]}, empty when nothing did."""
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
    """Send nothing before `until`; issues of that time are not sent later either."""
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
    """End a pause at once; without one nothing happens."""
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
    """End the subscription; False when it had ended before. Safe to repeat. `secret` is the suppression key."""
    ids = [subscriber.id or 0]
    ended = unsubscribe_all(
        session, ids, method=method, now=now, secret=secret, on_unsubscribed=on_unsubscribed, wording=wording
    )
    return bool(ended)


def unsubscribe_all(
    session: Session,
    ids: Sequence[int],
    *,
    method: ConsentMethod,
    now: datetime,
    secret: bytes,
    on_unsubscribed: Callable[[Session, Withdrawal], None] | None = None,
    wording: str = "",
) -> list[int]:
    """End the subscriptions of several people, with as many statements as for one; return the ids of those who had not
    left before.

    Their rows are locked in id order, as a take locks them.
    """
    rows = [row for row in store.lock_all(session, ids) if SubscriberState(row.state) not in LEFT]
    keys = [suppression.key_of(row.address_key or "", secret) for row in rows]
    for row in rows:
        consent.move(row, SubscriberState.UNSUBSCRIBED)
        row.unsubscribed_at, row.paused_until = now, None
        session.add(row)
    suppression.add_all(session, keys, SuppressionReason.UNSUBSCRIBED, now, source=method)
    for row in rows:
        consent.record(session, row, ConsentKind.UNSUBSCRIBED, method, now, wording=wording)
        if on_unsubscribed is not None:
            on_unsubscribed(session, _withdrawal(row, method, now))
    return [row.id or 0 for row in rows]


def resubscribe(session: Session, subscriber: Subscriber, *, now: datetime, secret: bytes, wording: str = "") -> bool:
    """Take back a withdrawal, by the person's own POST from their own link; False when there was none.

    Lifts `unsubscribed` from the never-send list; a bounce or complaint stays, and so no mail will go.
    """
    row = store.lock(session, subscriber)
    if row.state != SubscriberState.UNSUBSCRIBED:
        return False
    consent.move(row, SubscriberState.CONFIRMED)
    row.confirmed_at, row.unsubscribed_at = now, None
    session.add(row)
    suppression.lift_by_confirmation(session, suppression.key_of(row.address_key or "", secret))
    consent.record(
        session, row, ConsentKind.CONFIRMED, ConsentMethod.PAGE, now, wording=wording, detail={"again": True}
    )
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
    """Empty every personal column and every detail of the consent events; False when it was done before.

    What stays: the row (deliveries count it), what happened when, and a keyed hash on the never-send list, so that no
    import brings the person back. `forget` is called with the subscriber, as they still are, for what other tables hold
    about them: first, because a take locks notices before people, and locking the other way round could wait for it for
    ever; and again, for what was promised before the row was locked. Without `remember_hash` not even the hash is kept:
    for requests that nobody ever confirmed.
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


def _withdrawal(row: Subscriber, method: ConsentMethod, now: datetime) -> Withdrawal:
    return Withdrawal(
        subscriber_id=row.id or 0,
        ref=row.ref,
        address=row.address,
        name=row.name,
        language=row.language,
        method=method,
        at=now,
    )


def _present(session: Session, subscriber: Subscriber) -> Subscriber:
    """Return the locked row of somebody who is not erased."""
    row = store.lock(session, subscriber)
    if row.state == SubscriberState.ERASED:
        raise ConsentRefusedError("This subscriber was erased; nothing about them can be changed")
    return row
