"""Statistics of an issue: by mailbox family, by relay, rate, and workers. One scan each."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, literal_column, or_, select
from sqlmodel import Session

from digest.outbox.dialects import database_now
from digest.outbox.states import Outcome, State
from digest.outbox.tables import ATTEMPT, DELIVERY, WORKER
from digest.outbox.workers import WorkerLiveness

OTHERS = "others"
"""Label of mailboxes outside of families."""
RATE_OVER = timedelta(minutes=1)
TELLS_OF_DEAD = timedelta(hours=1)


@dataclass(slots=True)
class Attempted:
    """Attempts by relay and outcome (`started` has none yet), and how many ended lately.

    `since` is when the first of them began, None if there was none.
    """

    relays: dict[str, dict[str, int]] = field(default_factory=dict)
    lately: int = 0
    since: datetime | None = None

    def rate(self, now: datetime) -> float:
        """Messages a second over the last minute, or since the first if that is less."""
        if self.since is None:
            return 0.0
        seconds = min(RATE_OVER, now - self.since).total_seconds()
        return self.lately / seconds if seconds > 0 else 0.0


def by_family(session: Session, issue_id: int) -> dict[str, dict[State, int]]:
    """Return delivery counts by mailbox family, then state, without zeros."""
    family = func.coalesce(func.nullif(DELIVERY.c.family, literal_column("''")), literal_column(f"'{OTHERS}'"))
    query = (
        select(family, DELIVERY.c.state, func.count())
        .where(DELIVERY.c.issue_id == issue_id)
        .group_by(family, DELIVERY.c.state)
        .order_by(family)
    )
    found: dict[str, dict[State, int]] = {}
    for family, state, count in session.execute(query):
        found.setdefault(family, {})[State(state)] = count
    return found


def mails_sent(session: Session) -> int:
    """Return how many mails relays have accepted so far, of every issue and every notice."""
    taken = ATTEMPT.c.outcome == State.ACCEPTED.value
    found: int = session.execute(select(func.count()).select_from(ATTEMPT).where(taken)).scalar_one()
    return found


def canary(session: Session, issue_id: int, rest_at: datetime) -> dict[State, int]:
    """Return the counts by state of deliveries not held back until `rest_at`: tried, or due before."""
    mine = or_(DELIVERY.c.attempts > 0, DELIVERY.c.due_at < rest_at)
    query = select(DELIVERY.c.state, func.count()).where(DELIVERY.c.issue_id == issue_id, mine)
    return {State(state): count for state, count in session.execute(query.group_by(DELIVERY.c.state))}


def attempted(session: Session, issue_id: int, now: datetime) -> Attempted:
    lately = and_(
        ATTEMPT.c.ended_at > now - RATE_OVER, ATTEMPT.c.ended_at <= now, ATTEMPT.c.outcome != Outcome.NOT_SENT.value
    )
    outcome = func.coalesce(ATTEMPT.c.outcome, literal_column(f"'{State.STARTED.value}'"))
    query = (
        select(
            ATTEMPT.c.relay, outcome, func.count(), func.sum(case((lately, 1), else_=0)), func.min(ATTEMPT.c.started_at)
        )
        .join(DELIVERY, DELIVERY.c.id == ATTEMPT.c.delivery_id)
        .where(DELIVERY.c.issue_id == issue_id)
        .group_by(ATTEMPT.c.relay, outcome)
        .order_by(ATTEMPT.c.relay)
    )
    found = Attempted()
    for relay, name, count, ended, first in session.execute(query):
        found.relays.setdefault(relay, {})[name] = count
        found.lately += ended
        found.since = min(first, found.since or first)
    return found


@dataclass(frozen=True, slots=True)
class PresentWorker:
    """A worker that has not signed off; `alive` by its lock or heartbeat."""

    host: str
    started_at: datetime
    heartbeat_at: datetime
    alive: bool


def present(session: Session, liveness: WorkerLiveness) -> list[PresentWorker]:
    """Return workers that have not signed off, the newest last: live ones, and dead ones of the last hour."""
    moment = database_now(session)
    rows = session.execute(select(WORKER).where(WORKER.c.stopped_at.is_(None)).order_by(WORKER.c.started_at))
    found = []
    for row in rows.mappings():
        alive = liveness.lives(dict(row), moment)
        if alive or moment - row["heartbeat_at"] <= TELLS_OF_DEAD:
            found.append(PresentWorker(row["host"], row["started_at"], row["heartbeat_at"], alive))
    return found
