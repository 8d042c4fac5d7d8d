"""Queries for the metrics. None reads all deliveries or attempts: they use partial indexes, and count increments."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal_column, select, text
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.models import ODD
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, IS_STARTED, ISSUE, NOTICE, WORKER

IS_ODD = text(f"state IN ({ODD})")
IS_OPEN = text("stopped_at IS NULL")
LATE_SECONDS = 120
"""Younger attempts are counted again each time: they may not have ended, and another host's clock may lag."""


@dataclass(frozen=True, slots=True)
class IssueFigures:
    """One issue in numbers. `oldest_due` is of all deliveries that wait, due or not yet."""

    number: int
    state: str
    held: bool
    states: dict[State, int]
    excluded: int
    oldest_due: datetime | None
    build_seconds: float | None
    sent_at: datetime | None


def of_issues(session: Session) -> list[IssueFigures]:
    """Return the figures of every issue that is frozen or sending, and of the newest that ever was frozen."""
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
        # no delivery is ever deleted, so the rest is accepted
        states[State.ACCEPTED] = _planned(session, issue) - sum(states.values())
        excluded = sum((issue["excluded"] or {}).values())
        given = (issue["number"], issue["state"], issue["held"], states, excluded, oldest)
        found.append(IssueFigures(*given, issue["build_seconds"], issue["sent_at"]))
    return found


def _planned(session: Session, issue: Any) -> int:
    if issue["planned"] is not None:
        return int(issue["planned"])
    everything = select(func.count()).select_from(DELIVERY).where(DELIVERY.c.issue_id == issue["id"])
    return int(session.execute(everything).scalar_one())


# Of all issues at once: asked for one, SQLite takes the unique index instead and reads every delivery of the issue.


def counting_due() -> Select[Any]:
    """Return the query that counts waiting deliveries by issue, from an index that holds nothing else."""
    query = select(DELIVERY.c.issue_id, func.count(), func.min(DELIVERY.c.due_at)).where(IS_DUE)
    return query.group_by(DELIVERY.c.issue_id)


def finding_started() -> Select[Any]:
    """Return the query for the issue of each started delivery. They are few; grouped, SQLite would read all."""
    return select(DELIVERY.c.issue_id).where(IS_STARTED)


def counting_odd(since: int) -> Select[Any]:
    """Return the query that counts deliveries neither pending nor accepted, by issue (from id `since`) and state."""
    query = select(DELIVERY.c.issue_id, DELIVERY.c.state, func.count()).where(IS_ODD, DELIVERY.c.issue_id >= since)
    return query.group_by(DELIVERY.c.issue_id, DELIVERY.c.state)


def of_notices(session: Session) -> tuple[dict[State, int], datetime | None]:
    """Return how many notices wait or are on the wire, and since when the oldest is due."""
    query = select(NOTICE.c.state, func.count(), func.min(NOTICE.c.due_at)).where(IS_DUE)
    rows = session.execute(query.group_by(NOTICE.c.state)).all()
    states = {State(state): count for state, count, _ in rows}
    states[State.STARTED] = session.execute(select(func.count()).select_from(NOTICE).where(IS_STARTED)).scalar_one()
    return states, min((oldest for _, _, oldest in rows), default=None)


def open_workers(session: Session) -> list[Mapping[str, Any]]:
    """Return the workers that have not signed off, alive or not."""
    return [dict(row) for row in session.execute(select(WORKER).where(IS_OPEN)).mappings()]


@dataclass(slots=True)
class AttemptCounts:
    """Attempts by relay and outcome, counted up to an id; ids grow with time, so that only newer ones are read again.

    An attempt that changes later, such as an uncertain one, stays counted with its first outcome.
    """

    through: str = ""
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def look(self, session: Session, now: float | None = None) -> Counter[tuple[str, str]]:
        """Return all counts, and remember those that will not change."""
        horizon = f"{int(((now or time.time()) - LATE_SECONDS) * 1000):012x}"
        still_open = (ATTEMPT.c.id >= self.through, ATTEMPT.c.outcome.is_(None))
        first_open = session.execute(select(func.min(ATTEMPT.c.id)).where(*still_open)).scalar()
        until = max(self.through, min(horizon, first_open or horizon))
        settled = ATTEMPT.c.outcome.is_not(None)
        self.counted += _grouped(session, ATTEMPT.c.id >= self.through, ATTEMPT.c.id < until, settled)
        self.through = until
        return self.counted + _grouped(session, ATTEMPT.c.id >= until, settled)


def _grouped(session: Session, *conditions: Any) -> Counter[tuple[str, str]]:
    query = select(ATTEMPT.c.relay, ATTEMPT.c.outcome, func.count(literal_column("*"))).where(*conditions)
    rows = session.execute(query.group_by(ATTEMPT.c.relay, ATTEMPT.c.outcome))
    return Counter({(relay or "", outcome): count for relay, outcome, count in rows})
