"""Queries of subscribers, but for eligibility (audience.py) and bulk writes (transfer/bulk.py)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, or_, text
from sqlalchemy.dialects import sqlite
from sqlmodel import Session, col, select

from subscribers.consent import BY_THE_PERSON, ConsentKind
from subscribers.errors import SubscriberNotFoundError
from subscribers.models import AddressChange, ConsentEvent, SignupDay, Subscriber, SubscriberState, Suppression, Wording

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def by_ref(session: Session, ref: str) -> Subscriber | None:
    """Return the subscriber with the reference of a link; tombstones too."""
    return session.exec(select(Subscriber).where(col(Subscriber.ref) == ref)).one_or_none()


def by_id(session: Session, of_id: int) -> Subscriber | None:
    """Return the current row with this id, locked; tombstones too. See `lock`."""
    return next(iter(lock_all(session, [of_id])), None)


def by_key(session: Session, key: str) -> Subscriber | None:
    """Return the subscriber with this address key."""
    return session.exec(select(Subscriber).where(col(Subscriber.address_key) == key)).one_or_none()


def lock(session: Session, subscriber: Subscriber) -> Subscriber:
    """Return the current row, locked until the transaction ends.

    A take locks its subscribers for share: an unsubscribe waits for a running take, and later ones see it. SQLite has
    no row locks and needs none: its transactions begin IMMEDIATE.
    """
    found = by_id(session, subscriber.id or 0)
    if found is None:
        raise SubscriberNotFoundError
    return found


def lock_all(session: Session, ids: Sequence[int]) -> Sequence[Subscriber]:
    """Return the current rows with these ids, locked in id order; see `lock`."""
    statement = (
        select(Subscriber)
        .where(col(Subscriber.id).in_(ids))
        .order_by(col(Subscriber.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return session.exec(statement).all()


def states_of(session: Session, refs: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return id and state of the subscribers with these references; tombstones too."""
    query = select(Subscriber.ref, Subscriber.id, Subscriber.state).where(col(Subscriber.ref).in_(refs))
    return {ref: (subscriber_id or 0, state) for ref, subscriber_id, state in session.exec(query).all()}


def limit_lock_wait(session: Session) -> None:
    """Wait at most a second for a locked row in this transaction, because other requests wait for it."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL lock_timeout = '1s'"))


def lock_by_suppression_key(session: Session, key: str) -> None:
    """Lock the subscriber whose address has this keyed hash, until the transaction ends; see `lock`."""
    query = select(Subscriber.id).where(col(Subscriber.suppression_key) == key).order_by(col(Subscriber.id))
    session.exec(query.with_for_update()).all()


def events(session: Session, subscriber: Subscriber) -> Sequence[ConsentEvent]:
    """Return the subscriber's consent events, oldest first."""
    query = select(ConsentEvent).where(col(ConsentEvent.subscriber_id) == subscriber.id)
    return session.exec(query.order_by(col(ConsentEvent.id))).all()


def changes_of(session: Session, subscriber: Subscriber) -> Sequence[AddressChange]:
    """Return the subscriber's requests for another address, oldest first."""
    query = select(AddressChange).where(col(AddressChange.subscriber_id) == subscriber.id)
    return session.exec(query.order_by(col(AddressChange.id))).all()


def change_by_nonce(session: Session, nonce: str) -> AddressChange | None:
    """Return the current row of the request for another address with the nonce of a link."""
    statement = select(AddressChange).where(col(AddressChange.nonce) == nonce)
    return session.exec(statement.execution_options(populate_existing=True)).one_or_none()


def changes_before(session: Session, instant: datetime) -> Sequence[AddressChange]:
    """Return the requests for another address that were made before an instant."""
    query = select(AddressChange).where(col(AddressChange.requested_at) < instant)
    return session.exec(query.order_by(col(AddressChange.id))).all()


def last_mailed(session: Session, key: str, since: datetime) -> AddressChange | None:
    """Return the last request since `since` for which a mail went to the address with this keyed hash."""
    statement = select(AddressChange).where(
        col(AddressChange.suppression_key) == key,
        col(AddressChange.mailed_on).is_not(None),
        col(AddressChange.requested_at) > since,
    )
    return session.exec(statement.order_by(col(AddressChange.id).desc())).first()


def wordings(session: Session, versions: Sequence[str]) -> dict[str, str]:
    """Return the texts of these versions."""
    rows = session.exec(select(Wording.version, Wording.text).where(col(Wording.version).in_(versions))).all()
    return dict(rows)


def everyone(session: Session, batch: int = 1000) -> Iterator[Sequence[Subscriber]]:
    """Yield all subscribers that are not erased, in id order and in batches; only one batch is in memory."""
    last = 0
    query = select(Subscriber).where(col(Subscriber.state) != SubscriberState.ERASED).order_by(col(Subscriber.id))
    while rows := session.exec(query.where(col(Subscriber.id) > last).limit(batch)).all():
        yield rows
        last = rows[-1].id or last
        for row in rows:
            session.expunge(row)


def events_of(session: Session, ids: Sequence[int]) -> Sequence[ConsentEvent]:
    """Return the consent events of these subscribers, one after the other, oldest first."""
    return session.exec(
        select(ConsentEvent)
        .where(col(ConsentEvent.subscriber_id).in_(ids))
        .order_by(col(ConsentEvent.subscriber_id), col(ConsentEvent.id))
        .execution_options(populate_existing=True)
    ).all()


def taken_refs(session: Session, refs: Sequence[str]) -> set[str]:
    """Return which of these references are in use."""
    return set(session.exec(select(Subscriber.ref).where(col(Subscriber.ref).in_(refs))).all()) if refs else set()


def changed_by_themselves(session: Session, ids: Sequence[int]) -> set[int]:
    """Return which of these subscribers have made a choice themselves, apart from filling in the public form."""
    query = select(ConsentEvent.subscriber_id).where(
        col(ConsentEvent.subscriber_id).in_(ids),
        col(ConsentEvent.method).in_(BY_THE_PERSON),
        col(ConsentEvent.kind) != ConsentKind.REQUESTED,
    )
    return set(session.exec(query.distinct()).all())


def suppressed_keys(session: Session, keys: Sequence[str]) -> dict[str, str]:
    """Return the reasons of those of these keyed hashes that are suppressed."""
    rows = session.exec(select(Suppression.key, Suppression.reason).where(col(Suppression.key).in_(keys))).all()
    return dict(rows)


def suppressions(session: Session, after: Suppression | None = None) -> Iterator[tuple[str, str, str, datetime]]:
    """Yield key, reason, source and time of every suppression, or of those after one, the newest first."""
    at, key = col(Suppression.created_at), col(Suppression.key)
    query = select(Suppression.key, Suppression.reason, Suppression.source, Suppression.created_at)
    if after is not None:
        query = query.where(or_(at < after.created_at, and_(at == after.created_at, key > after.key)))
    yield from session.exec(query.order_by(at.desc(), key), execution_options={"yield_per": 1_000})


def suppressions_of(session: Session, keys: Sequence[str]) -> dict[str, Suppression]:
    """Return the suppressions of these keyed hashes."""
    return {row.key: row for row in session.exec(select(Suppression).where(col(Suppression.key).in_(keys))).all()}


def suppressions_without_subscriber(session: Session, batch: int = 1000) -> Iterator[Suppression]:
    """Yield, in the order of their hashes, the suppressions of addresses that no subscriber has."""
    known = exists().where(col(Subscriber.suppression_key) == col(Suppression.key)).correlate(Suppression)
    last = ""
    query = select(Suppression).where(~known).order_by(col(Suppression.key)).limit(batch)
    while rows := session.exec(query.where(col(Suppression.key) > last)).all():
        yield from rows
        last = rows[-1].key
        for row in rows:
            session.expunge(row)


def count_request(session: Session, day: date) -> None:
    """Count one more submission of the sign-up form."""
    insert: Callable[..., sqlite.Insert | postgresql.Insert] = sqlite.insert
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 - all its drivers, which SQLite does not need
    statement = insert(SignupDay).values(day=day, requests=1)
    more = {"requests": col(SignupDay.requests) + 1}
    session.execute(statement.on_conflict_do_update(index_elements=["day"], set_=more))
