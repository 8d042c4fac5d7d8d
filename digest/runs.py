"""issue_run rows: whoever inserts (schedule, period) owns the month's run."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import JSON, Column, CursorResult, UniqueConstraint, func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col, select


class IssueRun(SQLModel, table=True):
    """One scheduled execution for one period."""

    __tablename__ = "issue_run"
    id: int | None = Field(default=None, primary_key=True)
    schedule: str = Field(max_length=60)
    period: str = Field(max_length=10)
    due_at: datetime
    state: str = Field(max_length=16, description="running | waiting | done | missed | skipped | failed")
    step: str = Field(default="", max_length=20)
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    issue_id: int | None = Field(default=None, foreign_key="issue.id")
    claimed_by: str = Field(max_length=80)
    claimed_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None = None
    __table_args__: Any = (UniqueConstraint("schedule", "period"),)


INSTALLED = "installed"
STALE_AFTER = timedelta(minutes=5)


class RunState(StrEnum):
    """What became of a scheduled run."""

    RUNNING = "running"
    WAITING = "waiting"  # for approval, or for a deferred delivery
    DONE = "done"
    MISSED = "missed"  # later than max_lateness, or overtaken by a newer period
    SKIPPED = "skipped"  # by an operator
    FAILED = "failed"


OPEN = frozenset({RunState.RUNNING, RunState.WAITING})


def install(session: Session, schedule: str, now: datetime) -> datetime:
    """Return since when the schedule counts; the first call fixes it: a fresh install never mails last month."""
    _insert(
        session,
        IssueRun(
            schedule=schedule,
            period=INSTALLED,
            due_at=now,
            state=RunState.DONE,
            claimed_by="",
            claimed_at=now,
            heartbeat_at=now,
        ),
    )
    # What was skipped lies ahead: it must not hide the periods in between.
    happened = col(IssueRun.state) != RunState.SKIPPED
    latest = session.exec(select(func.max(IssueRun.due_at)).where(IssueRun.schedule == schedule, happened)).one()
    return latest or now


def claim(session: Session, schedule: str, period: str, due_at: datetime, *, by: str, now: datetime) -> IssueRun | None:
    """Insert the run of `period`; None when somebody else has it. The caller commits before acting on it."""
    run = IssueRun(
        schedule=schedule,
        period=period,
        due_at=due_at,
        state=RunState.RUNNING,
        claimed_by=by,
        claimed_at=now,
        heartbeat_at=now,
    )
    return run if _insert(session, run) else None


def record(
    session: Session, schedule: str, period: str, due_at: datetime, *, state: RunState, why: str, now: datetime
) -> bool:
    """Write down a run that does not happen (missed, skipped); return whether it was not known yet."""
    return _insert(
        session,
        IssueRun(
            schedule=schedule,
            period=period,
            due_at=due_at,
            state=state,
            detail={"why": why},
            claimed_by="",
            claimed_at=now,
            heartbeat_at=now,
            finished_at=now,
        ),
    )


def _insert(session: Session, run: IssueRun) -> bool:
    try:
        with session.begin_nested():
            session.add(run)
    except IntegrityError:  # UNIQUE (schedule, period): the database says "once"
        return False
    return True


def unfinished(session: Session, schedule: str, by: str, now: datetime) -> list[IssueRun]:
    """Take over the runs that wait, and those whose process has died; compare-and-set, so that one taker wins."""
    stale = now - STALE_AFTER
    open_runs = session.exec(
        select(IssueRun)
        .where(IssueRun.schedule == schedule, col(IssueRun.state).in_(sorted(OPEN)))
        .order_by(col(IssueRun.due_at))
    ).all()
    taken = []
    for run in open_runs:
        if run.state == RunState.RUNNING and run.heartbeat_at > stale:
            continue
        statement = (
            update(IssueRun)
            .where(
                col(IssueRun.id) == run.id,
                col(IssueRun.heartbeat_at) == run.heartbeat_at,
                col(IssueRun.state) == run.state,
            )
            .values(claimed_by=by, heartbeat_at=now, state=RunState.RUNNING)
        )
        if cast("CursorResult[Any]", session.execute(statement)).rowcount == 1:
            taken.append(run)
    for run in taken:
        session.refresh(run)
    return taken


def note(run: IssueRun, state: RunState, step: str, why: str, now: datetime) -> None:
    """Write down how far a run has come."""
    run.state, run.step, run.heartbeat_at = state, step, now
    run.detail = {**run.detail, "why": why}
    run.finished_at = None if state in OPEN else now


def history(session: Session) -> list[IssueRun]:
    """Return every run, the newest first."""
    query = select(IssueRun).where(IssueRun.period != INSTALLED).order_by(col(IssueRun.due_at).desc())
    return list(session.exec(query))
