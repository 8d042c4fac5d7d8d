"""Uncertain promises: what is known of each, so that evidence can be found, and how many there are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlmodel import Session

from digest.outbox.restore import RESTORED
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, NOTICE, SUBSCRIBER, Promised
from digest.outbox.workers import WorkerLiveness, lives


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A promise of unknown fate, with its last attempt.

    `name` is what its Message-ID is made of: the issue's number and the subscriber's ref, or the notice's kind and key.
    `address` is empty for an erased subscriber, `relay` when no server answered. It was started between `started_at`
    and `until`: one instant, unless a restore has lost it.
    """

    promised: Promised
    id: int
    attempt_id: str
    name: tuple[str, str]
    address: str
    started_at: datetime
    worker_id: str | None
    code: int | None
    enhanced: str | None
    reply: str
    relay: str
    until: datetime


def uncertain(session: Session, issue_id: int | None = None, ids: Collection[int] | None = None) -> list[Uncertain]:
    """Return the uncertain by id: all with notices, or the deliveries of an issue, or those of them in `ids`."""
    names = ("started_at", "worker_id", "code", "enhanced", "reply", "relay")
    last: list[ColumnElement[Any]] = [ATTEMPT.c[name] for name in names]
    last.append(case((ATTEMPT.c.worker_id == RESTORED, ATTEMPT.c.ended_at), else_=ATTEMPT.c.started_at))
    deliveries = (
        select(DELIVERY.c.id, DELIVERY.c.attempt_id, ISSUE.c.number, SUBSCRIBER.c.ref, SUBSCRIBER.c.address, *last)
        .join(ATTEMPT, ATTEMPT.c.id == DELIVERY.c.attempt_id)
        .join(ISSUE, ISSUE.c.id == DELIVERY.c.issue_id)
        .join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
        .where(DELIVERY.c.state == State.UNCERTAIN.value)
        .order_by(DELIVERY.c.id)
    )
    if issue_id is not None:
        deliveries = deliveries.where(DELIVERY.c.issue_id == issue_id)
    found = [_read(Promised.DELIVERY, row) for row in session.execute(deliveries)]
    if issue_id is None and ids is None:
        notices = (
            select(NOTICE.c.id, NOTICE.c.attempt_id, NOTICE.c.kind, NOTICE.c.key, NOTICE.c.address, *last)
            .join(ATTEMPT, ATTEMPT.c.id == NOTICE.c.attempt_id)
            .where(NOTICE.c.state == State.UNCERTAIN.value)
            .order_by(NOTICE.c.id)
        )
        found += [_read(Promised.NOTICE, row) for row in session.execute(notices)]
    wanted = None if ids is None else set(ids)
    return [one for one in found if wanted is None or one.id in wanted]


def _read(promised: Promised, row: Sequence[Any]) -> Uncertain:
    of_id, attempt_id, first, second, address, *last = row
    return Uncertain(promised, of_id, attempt_id, (str(first), second), address, *last)


def count_uncertain(session: Session) -> int:
    queries = (select(func.count()).where(one.table.c.state == State.UNCERTAIN.value) for one in Promised)
    total: int = sum(session.execute(query).scalar_one() for query in queries)
    return total


def living(session: Session, workers: Collection[str | None], liveness: WorkerLiveness) -> set[str | None]:
    """Return which of these workers may still be sending."""
    return {worker_id for worker_id in set(workers) if lives(session, worker_id, liveness)}
