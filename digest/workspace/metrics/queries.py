"""The queries behind the figures. None reads all deliveries, nor all attempts again: indexes and differences do."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Select, func, literal_column, select, text
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.models import ODD
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, IS_STARTED, ISSUE, NOTICE, WORKER

IS_ODD = text(f"state IN ({ODD})")
IS_OPEN = text("stopped_at IS NULL")
LATE_SECONDS = 120
"""Attempts younger than this are counted anew each time: they may not have ended, and another host's clock may lag."""


@dataclass(frozen=True, slots=True)
class IssueFigures:
    """How one issue stands. `oldest_due` is that of all that waits, due or not yet."""

    number: int
    state: str
    held: bool
    states: dict[State, int]
    excluded: int
    oldest_due: datetime | None
    build_seconds: float | None
    sent_at: datetime | None


def of_issues(session: Session) -> list[IssueFigures]:
    """Return the figures of every issue that is frozen or sending, and of the newest that ever was."""
    newest = select(func.max(ISSUE.c.number)).where(ISSUE.c.frozen_at.is_not(None)).scalar_subquery()
    open_ones = ISSUE.c.state.in_([IssueState.FROZEN.value, IssueState.SENDING.value])
    rows = session.execute(select(ISSUE).where(open_ones | (ISSUE.c.number == newest)).order_by(ISSUE.c.number))
    issues = rows.mappings().all()
    if not issues:
        return []
    due = {issue_id: (count, oldest) for issue_id, count, oldest in session.execute(counting_due())}
    started = Counter(session.execute(finding_started()).scalars())
    odd: dict[int, dict[State, int]] = {}
    for issue_id, state, count in session.execute(counting_odd(min(issue["id"] for issue in issues))):
        odd.setdefault(issue_id, {})[State(state)] = count
    found = []
    for issue in issues:
        own = issue["id"]
        count, oldest = due.get(own, (0, None))
        states = dict.fromkeys(State, 0) | odd.get(own, {}) | {State.STARTED: started[own]}
        states[State.PENDING] = count - states[State.DEFERRED]
        # no delivery is ever taken away, so what is not counted is accepted
        states[State.ACCEPTED] = _planned(session, issue) - sum(states.values())
        found.append(_figures(issue, states, oldest))
    return found


def _planned(session: Session, issue: Any) -> int:
    if issue["planned"] is not None:
        return int(issue["planned"])
    everything = select(func.count()).select_from(DELIVERY).where(DELIVERY.c.issue_id == issue["id"])
    return int(session.execute(everything).scalar_one())


def _figures(issue: Any, states: dict[State, int], oldest: datetime | None) -> IssueFigures:
    return IssueFigures(
        issue["number"],
        issue["state"],
        issue["held"],
        states,
        sum((issue["excluded"] or {}).values()),
        oldest,
        issue["build_seconds"],
        issue["sent_at"],
    )


# Of all issues at once: asked for one, SQLite takes the unique index instead and reads every delivery of the issue.


def counting_due() -> Select[Any]:
    """Return the query that counts what waits, by issue: of an index that holds nothing else."""
    query = select(DELIVERY.c.issue_id, func.count(), func.min(DELIVERY.c.due_at)).where(IS_DUE)
    return query.group_by(DELIVERY.c.issue_id)


def finding_started() -> Select[Any]:
    """Return the query for the issue of each delivery on the wire. They are few, and grouped SQLite would read all."""
    return select(DELIVERY.c.issue_id).where(IS_STARTED)


def counting_odd(since: int) -> Select[Any]:
    """Return the query that counts what neither waits for its first try nor was simply accepted, by issue and state.

    `since` is the id of the first issue that matters.
    """
    query = select(DELIVERY.c.issue_id, DELIVERY.c.state, func.count()).where(IS_ODD, DELIVERY.c.issue_id >= since)
    return query.group_by(DELIVERY.c.issue_id, DELIVERY.c.state)


def of_notices(session: Session) -> tuple[dict[State, int], datetime | None]:
    """Return how many notices wait or are on the wire, and since when the oldest is due."""
    rows = session.execute(
        select(NOTICE.c.state, func.count(), func.min(NOTICE.c.due_at)).where(IS_DUE).group_by(NOTICE.c.state)
    ).all()
    states = {State(state): count for state, count, _ in rows}
    states[State.STARTED] = session.execute(select(func.count()).select_from(NOTICE).where(IS_STARTED)).scalar_one()
    return states, min((oldest for _, _, oldest in rows), default=None)


def open_workers(session: Session) -> list[Mapping[str, Any]]:
    """Return the workers that have not signed off, dead or alive."""
    return [dict(row) for row in session.execute(select(WORKER).where(IS_OPEN)).mappings()]


@dataclass(slots=True)
class AttemptCounts:
    """Attempts by relay and outcome, counted up to an id: ids grow with time, so that only the newest are read again.

    What changes later, such as an uncertain attempt that evidence resolves, keeps the outcome it was counted with.
    """

    through: str = ""
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def look(self, session: Session, now: float | None = None) -> Counter[tuple[str, str]]:
        """Return all counts, and remember those that will not change."""
        horizon = f"{int(((now or time.time()) - LATE_SECONDS) * 1000):012x}"
        first_open = session.execute(
            select(func.min(ATTEMPT.c.id)).where(ATTEMPT.c.id >= self.through, ATTEMPT.c.outcome.is_(None))
        ).scalar()
        until = max(self.through, min(horizon, first_open or horizon))
        settled = ATTEMPT.c.outcome.is_not(None)
        self.counted += _grouped(session, ATTEMPT.c.id >= self.through, ATTEMPT.c.id < until, settled)
        self.through = until
        return self.counted + _grouped(session, ATTEMPT.c.id >= until, settled)


def _grouped(session: Session, *conditions: Any) -> Counter[tuple[str, str]]:
    query = select(ATTEMPT.c.relay, ATTEMPT.c.outcome, func.count(literal_column("*"))).where(*conditions)
    rows = session.execute(query.group_by(ATTEMPT.c.relay, ATTEMPT.c.outcome))
    return Counter({(relay or "", outcome): count for relay, outcome, count in rows})


def explained(engine: Engine, statement: Any) -> str:
    """Return how the database would go about a query; for tests and measurements."""
    compiled = statement.compile(engine, compile_kwargs={"literal_binds": True})
    word = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{word} {compiled}"))
