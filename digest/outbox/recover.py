"""Crash recovery: attempts of dead workers become uncertain, and evidence may resolve them. Callers commit."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from digest.outbox.dialects import database_now
from digest.outbox.settle import Settlement, settle
from digest.outbox.states import Outcome, State
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_STARTED, ISSUE, WORKER, Promised
from digest.outbox.take import envelope_id
from digest.outbox.workers import WorkerLiveness

_AT_ONCE = 500
_DELIVERED = State.ACCEPTED, Outcome.ACCEPTED, "found where the transport delivers to"
_WHY_NOT = "not found where the transport delivers to, so it was not delivered"
_NOT_DELIVERED = State.PENDING, Outcome.NOT_SENT, _WHY_NOT

Evidence = Callable[[str], bool | None]
"""From an envelope id to whether a transport delivered it: yes, certainly not, or None if it cannot know."""


def recover(session: Session, liveness: WorkerLiveness, now: datetime) -> int:
    """Mark what dead workers have started as uncertain; return how many. Live workers' attempts are left alone."""
    moment = database_now(session)
    found = 0
    for promised in Promised:
        table = promised.table
        owners = session.execute(select(table.c.worker_id).where(IS_STARTED).distinct()).scalars().all()
        rows = session.execute(select(WORKER).where(WORKER.c.id.in_(owners))).mappings()
        known = {row["id"]: dict(row) for row in rows}
        for owner in owners:
            worker = known.get(owner)
            if worker is None or not liveness.lives(worker, moment):
                where = f"on {worker['host']} (process {worker['pid']}) " if worker else ""
                found += _lose(session, promised, owner, f"the worker {where}ended before it stored the answer", now)
    return found


def _lose(session: Session, promised: Promised, owner: str, why: str, now: datetime) -> int:
    table = promised.table
    rows = session.execute(
        select(table.c.id, table.c.attempt_id).where(IS_STARTED, table.c.worker_id == owner).with_for_update()
    ).all()
    lost = [
        Settlement(promised, row.id, row.attempt_id, State.UNCERTAIN, Outcome.UNCERTAIN, now, reason=why)
        for row in rows
    ]
    return settle(session, lost)


def resolve_by_evidence(session: Session, relay: str, evidence: Evidence, now: datetime, host: str) -> int:
    """Settle the uncertain whose last attempt went by `relay`, as far as it knows their fate; return how many.

    Only the transport that sent an attempt can say that it did not: another one's silence would send it twice. So would
    the silence of the same path on another machine than `host`, this one.
    """
    return settle_evidence(session, evident(session, relay, evidence, now, host))


def evident(session: Session, relay: str, evidence: Evidence, now: datetime, host: str) -> list[Settlement]:
    """Return how `resolve_by_evidence` would settle, and change nothing."""
    found = []
    for promised in Promised:
        table = promised.table
        rows = session.execute(
            select(table.c.id, table.c.attempt_id, table.c.created_at, WORKER.c.host)
            .join(ATTEMPT, ATTEMPT.c.id == table.c.attempt_id)
            .outerjoin(WORKER, WORKER.c.id == ATTEMPT.c.worker_id)
            .where(table.c.state == State.UNCERTAIN.value, ATTEMPT.c.relay == relay)
            .order_by(table.c.id)
        ).all()
        for row in rows:
            delivered = evidence(envelope_id(promised, row.id, row.created_at))
            if delivered or (delivered is False and row.host in {host, None}):
                state, outcome, why = _DELIVERED if delivered else _NOT_DELIVERED
                attempt = (promised, row.id, row.attempt_id, state, outcome, now)
                found.append(Settlement(*attempt, reason=why, by_evidence=True))
    return found


def settle_evidence(session: Session, settlements: Sequence[Settlement]) -> int:
    """Settle by evidence or a person's word; return how many promises that changed."""
    changed = 0
    for start in range(0, len(settlements), _AT_ONCE):
        some = settlements[start : start + _AT_ONCE]
        back = [s.id for s in some if s.promised is Promised.DELIVERY and s.state is State.PENDING]
        issues = select(DELIVERY.c.issue_id).where(DELIVERY.c.id.in_(back))
        if back:  # for update at once: two transactions that first lock for share would deadlock
            session.execute(select(ISSUE.c.id).where(ISSUE.c.id.in_(issues)).order_by(ISSUE.c.id).with_for_update())
        changed += settle(session, some)
    return changed
