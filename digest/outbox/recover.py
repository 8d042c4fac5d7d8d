"""Crash recovery: what a dead worker started is due again where its journal proves that it never left; the rest is
uncertain, and evidence may resolve it. Callers commit.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, TextClause, select
from sqlmodel import Session

from digest.outbox.dialects import database_now
from digest.outbox.journal import JournalContents
from digest.outbox.settle import Settlement, not_sent, settle
from digest.outbox.states import Outcome, State
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_STARTED, ISSUE, WORKER, Promised
from digest.outbox.take import envelope_id
from digest.outbox.workers import WorkerLiveness

_AT_ONCE = 500
_DELIVERED = State.ACCEPTED, Outcome.ACCEPTED, "found at the transport's destination"
_WHY_NOT = "not found at the transport's destination, so it was not delivered"
_NOT_DELIVERED = State.PENDING, Outcome.NOT_SENT, _WHY_NOT

Evidence = Callable[[str], bool | None]
"""From an envelope id to whether a transport delivered it: yes, certainly not, or None if it cannot know."""


class Recovered(NamedTuple):
    """How many attempts of dead workers are uncertain now, and how many promises are due again, never sent."""

    uncertain: int = 0
    due_again: int = 0


def recover(session: Session, liveness: WorkerLiveness, now: datetime) -> Recovered:
    """Settle what dead workers have started. Live workers' attempts are left alone."""
    moment = database_now(session)
    left: list[Settlement] = []
    for promised in Promised:
        table = promised.table
        owners = session.execute(select(table.c.worker_id).where(IS_STARTED).distinct()).scalars().all()
        rows = session.execute(select(WORKER).where(WORKER.c.id.in_(owners))).mappings()
        known = {row["id"]: dict(row) for row in rows}
        for owner in sorted(owners):  # two that recover at once lock in the same order
            worker = known.get(owner)
            if worker is None or not liveness.lives(worker, moment):
                who = f"the worker on {worker['host']} (process {worker['pid']})" if worker else "the worker"
                proof = _proof(session, liveness, owner)
                left += [_judge(attempt, proof, who, now) for attempt in _left_by(session, promised, owner)]
    settle(session, left)
    due_again = sum(one.outcome is Outcome.NOT_SENT for one in left)
    return Recovered(len(left) - due_again, due_again)


def _proof(session: Session, liveness: WorkerLiveness, owner: str) -> JournalContents | None:
    """Return the dead worker's journal if it proves anything.

    A database that lost transactions has attempts as started whose outcomes it knew, and whose marks are overwritten by
    those of attempts that it does not know any more.
    """
    journal = liveness.journal(owner)
    return journal if journal and not unknown_attempts(session, journal.attempts) else None


def unknown_attempts(session: Session, attempt_ids: Collection[str]) -> set[str]:
    """Return which of the attempts the database does not have."""
    return set(attempt_ids) - set(session.execute(select(ATTEMPT.c.id).where(ATTEMPT.c.id.in_(attempt_ids))).scalars())


def _left_by(session: Session, promised: Promised, owner: str) -> list[tuple[Promised, int, str]]:
    """Lock what a worker has started, and the issues before it, as some may be due again."""
    table = promised.table
    is_its_own = IS_STARTED, table.c.worker_id == owner
    if promised is Promised.DELIVERY:
        _lock_issues(session, *is_its_own, shared=True)
    rows = session.execute(select(table.c.id, table.c.attempt_id).where(*is_its_own).with_for_update())
    return [(promised, row.id, row.attempt_id) for row in rows]


def _judge(attempt: tuple[Promised, int, str], proof: JournalContents | None, who: str, now: datetime) -> Settlement:
    if proof is None or attempt[-1] in proof.attempts or proof.is_older_than(attempt[-1]):
        why = f"{who} ended before it saved the answer"
        return Settlement(*attempt, State.UNCERTAIN, Outcome.UNCERTAIN, now, reason=why)
    return replace(not_sent(*attempt, f"{who} ended before it sent the end of the message", now), by_evidence=True)


def _lock_issues(session: Session, *conditions: ColumnElement[bool] | TextClause, shared: bool) -> None:
    """Lock the issues of deliveries, before the deliveries."""
    issues = select(ISSUE.c.id).where(ISSUE.c.id.in_(select(DELIVERY.c.issue_id).where(*conditions)))
    session.execute(issues.order_by(ISSUE.c.id).with_for_update(read=shared))


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
        if back:
            # at once for update: two transactions that first lock for share would deadlock
            _lock_issues(session, DELIVERY.c.id.in_(back), shared=False)
        changed += settle(session, some)
    return changed
