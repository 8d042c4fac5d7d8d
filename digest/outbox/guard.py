"""Eligibility check of recipients in the transaction that starts an attempt."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import ColumnElement, DateTime, Executable, FromClause, Integer, bindparam, select
from sqlmodel import Session

from digest.outbox.dialects import POSTGRESQL, Prepared, dialect_of
from digest.outbox.tables import SUBSCRIBER

Exclusion = Callable[[ColumnElement[datetime]], ColumnElement[str | None]]
"""From an instant to an expression over Subscriber: the reason of exclusion, NULL for the eligible."""


class Person(NamedTuple):
    """A subscriber as the eligibility check reads them."""

    id: int
    ref: str
    address: str
    name: str
    language: str
    format: str
    interests: str
    exclusion: str | None


_LOCK_PEOPLE = Prepared(
    lambda given: (
        select(SUBSCRIBER.c.id)
        .where(SUBSCRIBER.c.id.in_(select(given.c.id)))
        .order_by(SUBSCRIBER.c.id)
        .with_for_update(read=True, of=SUBSCRIBER)
    ),
    {"id": Integer()},
)


@lru_cache(maxsize=8)
def _people_query(exclusion: Exclusion) -> Prepared:
    columns = [SUBSCRIBER.c[name] for name in Person._fields[:-1]]

    def build(given: FromClause) -> Executable:
        reason = exclusion(bindparam("now", type_=DateTime(timezone=True)))
        return select(*columns, reason.label("exclusion")).where(SUBSCRIBER.c.id.in_(select(given.c.id)))

    return Prepared(build, {"id": Integer()})


def guarded(session: Session, ids: Sequence[int], exclusion: Exclusion, now: datetime) -> dict[int, Person]:
    """Lock these subscribers for share and return them with the reason of exclusion, if any."""
    rows = [[of_id] for of_id in ids]
    if dialect_of(session) == POSTGRESQL:
        # In id order, so that two takes cannot wait for each other. Then read in a statement of its own: its snapshot
        # is younger than the locks, and sees a suppression that came with the unsubscribe we waited for.
        _LOCK_PEOPLE.run(session, rows)
    return {row.id: Person._make(row) for row in _people_query(exclusion).run(session, rows, now=now).fetchall()}
