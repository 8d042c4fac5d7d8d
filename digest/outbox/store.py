"""Queries of the outbox: deliveries, attempts, counts by state, and due times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.operations import NoSuchDeliveryError
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, ISSUE, NOTICE, SUBSCRIBER


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery. `address` and `name` are empty for an erased subscriber."""

    id: int
    number: int
    ref: str
    address: str
    name: str
    edition_id: int
    state: State
    reason: str
    attempts: int
    due_at: datetime
    started_at: datetime | None
    settled_at: datetime | None
    worker_id: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt of a delivery; `outcome` is None while it is on the wire, or its worker died."""

    id: str
    worker_id: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    code: int | None
    enhanced: str | None
    reply: str
    relay: str


def counts(session: Session, issue_id: int) -> dict[State, int]:
    """Return the issue's deliveries by state, every state named; the sum is what was planned."""
    query = select(DELIVERY.c.state, func.count()).where(DELIVERY.c.issue_id == issue_id).group_by(DELIVERY.c.state)
    found = {State(state): count for state, count in session.execute(query)}
    return {state: found.get(state, 0) for state in State}


def count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return int(session.execute(select(func.count()).select_from(DELIVERY).where(*conditions)).scalar_one())


def listing(
    session: Session, issue_id: int, state: State | None = None, *, after: int = 0, limit: int | None = None
) -> list[DeliveryRow]:
    """Return the issue's deliveries after the delivery `after`; only those in `state` if one is given.

    In the order of their subscribers, that of the unique index: each page reads only itself, in a late issue, too.
    """
    query = _delivery_rows().where(DELIVERY.c.issue_id == issue_id).order_by(DELIVERY.c.subscriber_id)
    if after:
        last = select(DELIVERY.c.subscriber_id).where(DELIVERY.c.id == after)
        query = query.where(DELIVERY.c.subscriber_id > last.scalar_subquery())
    if state is not None:
        query = query.where(DELIVERY.c.state == state.value)
    return [_read(row) for row in session.execute(query.limit(limit))]


def show(session: Session, delivery_id: int) -> tuple[DeliveryRow, list[AttemptRow]]:
    """Return a delivery and its attempts, the oldest first; raise NoSuchDeliveryError."""
    row = session.execute(_delivery_rows().where(DELIVERY.c.id == delivery_id)).first()
    if row is None:
        raise NoSuchDeliveryError(f"There is no delivery {delivery_id}")
    columns = [ATTEMPT.c[name] for name in AttemptRow.__dataclass_fields__]
    attempts = select(*columns).where(ATTEMPT.c.delivery_id == delivery_id).order_by(ATTEMPT.c.started_at, ATTEMPT.c.id)
    return _read(row), [AttemptRow(*attempt) for attempt in session.execute(attempts)]


def next_due(session: Session, issue_id: int) -> datetime | None:
    """Return when the issue's next delivery is due, None if none will be before a person decides."""
    query = select(func.min(DELIVERY.c.due_at)).where(DELIVERY.c.issue_id == issue_id, IS_DUE)
    moment: datetime | None = session.execute(query.where(*_not_kept_back(session, issue_id))).scalar_one()
    return moment


def _not_kept_back(session: Session, issue_id: int) -> list[ColumnElement[bool]]:
    """Return the condition that during a canary excludes the rest, which waits for the verdict, not for its time."""
    rest_at = session.execute(select(ISSUE.c.rest_at).where(ISSUE.c.id == issue_id)).scalar()
    return [] if rest_at is None else [DELIVERY.c.due_at < rest_at]


def next_pending(session: Session, issue_id: int, families: Sequence[str], now: datetime) -> datetime | None:
    """Return when the next delivery is due that no server has deferred for longer; None if none may be started."""
    if not is_sending(session, issue_id):
        return None
    moments: list[datetime] = []
    bounds = _not_kept_back(session, issue_id)
    for family in families:
        # in the index's order, so that it stops at the first
        mine = (DELIVERY.c.issue_id == issue_id, DELIVERY.c.family == family, *bounds)
        waits = (DELIVERY.c.state == State.PENDING) | (DELIVERY.c.due_at <= now)
        query = select(DELIVERY.c.due_at).where(*mine, IS_DUE, waits)
        moments += session.execute(query.order_by(DELIVERY.c.due_at).limit(1)).scalars()
    return min(moments, default=None)


def next_notice_due(session: Session) -> datetime | None:
    moment: datetime | None = session.execute(select(func.min(NOTICE.c.due_at)).where(IS_DUE)).scalar_one()
    return moment


def is_sending(session: Session, issue_id: int) -> bool:
    """Return whether the issue is being sent and not held, without waiting for locks."""
    query = select(ISSUE.c.id).where(ISSUE.c.id == issue_id, ISSUE.c.state == IssueState.SENDING.value, ~ISSUE.c.held)
    return session.execute(query).first() is not None


def sending(session: Session) -> list[int]:
    """Return the ids of the issues that are being sent and not held, the oldest number first."""
    query = select(ISSUE.c.id).where(ISSUE.c.state == IssueState.SENDING.value, ~ISSUE.c.held).order_by(ISSUE.c.number)
    return list(session.execute(query).scalars())


def _delivery_rows() -> Select[Any]:
    names = ("edition_id", "state", "reason", "attempts", "due_at", "started_at", "settled_at", "worker_id")
    own = [DELIVERY.c[name] for name in names]
    return (
        select(DELIVERY.c.id, ISSUE.c.number, SUBSCRIBER.c.ref, SUBSCRIBER.c.address, SUBSCRIBER.c.name, *own)
        .join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
        .join(ISSUE, ISSUE.c.id == DELIVERY.c.issue_id)
    )


def _read(row: Any) -> DeliveryRow:
    values = dict(row._mapping)  # noqa: SLF001 - the documented way to a row's names
    return DeliveryRow(**{**values, "state": State(values["state"])})
