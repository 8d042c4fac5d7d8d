"""Rows of issue_run: inserting (schedule, period) claims a run; without a heartbeat another process takes it over.

The unique key decides claims, the database's clock heartbeats; the machine's own clock decides neither.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, cast

from sqlalchemy import JSON, Column, CursorResult, UniqueConstraint, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col, select

from digest.outbox.dialects import database_now
from digest.runtime.errors import DigestError
from digest.schedule.occurrences import occurrences
from digest.settings.root import Settings


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


_AHEAD = 24  # months in which a day that is not skipped is looked for
INSTALLED = "installed"


class RunState(StrEnum):
    """State of a scheduled run."""

    RUNNING = "running"
    WAITING = "waiting"  # for its time, for approval, or for a deferred delivery
    DONE = "done"
    MISSED = "missed"  # later than max_lateness, or overtaken by a newer period
    SKIPPED = "skipped"  # by an operator
    FAILED = "failed"


class RunStep(StrEnum):
    """Steps of a scheduled run in their order, after `late`, which precedes them."""

    LATE = "late"
    ASSEMBLE = "assemble"
    CHECK = "check"
    APPROVE = "approve"
    FREEZE = "freeze"
    CANARY = "canary"
    DELIVER = "deliver"
    REPORT = "report"


OPEN = frozenset({RunState.RUNNING, RunState.WAITING})
_AHEAD = 24  # months among which one that is not skipped is looked for


class RunLostError(DigestError):
    """Another process has taken the run over."""

    default_hint = "Nothing is lost: the work continues there. To see where: digest schedule history"


def install(session: Session, schedule: str, now: datetime) -> datetime:
    """Return since when the schedule counts, which the first call fixes: a fresh install never mails last month."""
    _insert(session, _row(session, schedule, INSTALLED, now, state=RunState.DONE, by="", now=now))
    query = select(IssueRun.due_at).where(IssueRun.schedule == schedule, IssueRun.period == INSTALLED)
    return session.exec(query).one()


def known(session: Session, schedule: str) -> set[str]:
    """Return the periods of the schedule that have a run in any state."""
    return set(session.exec(select(IssueRun.period).where(IssueRun.schedule == schedule)))


def claim(
    session: Session, schedule: str, period: str, due_at: datetime, *, by: str, now: datetime, issue: int | None = None
) -> IssueRun | None:
    """Insert the run of `period`, of the issue with id `issue`; None if it exists. Commit before acting on it."""
    run = _row(session, schedule, period, due_at, state=RunState.RUNNING, by=by, now=now)
    run.issue_id = issue
    return run if _insert(session, run) else None


def record(
    session: Session, schedule: str, period: str, due_at: datetime, *, state: RunState, why: str, now: datetime
) -> bool:
    """Insert a run that does not happen (missed, skipped); return whether it was new."""
    run = _row(session, schedule, period, due_at, state=state, by="", now=now)
    run.detail, run.finished_at = {"why": why}, now
    return _insert(session, run)


def _row(
    session: Session, schedule: str, period: str, due_at: datetime, *, state: RunState, by: str, now: datetime
) -> IssueRun:
    beat = database_now(session)
    return IssueRun(
        schedule=schedule, period=period, due_at=due_at, state=state, claimed_by=by, claimed_at=now, heartbeat_at=beat
    )


def _insert(session: Session, run: IssueRun) -> bool:
    try:
        with session.begin_nested():
            session.add(run)
    except IntegrityError:  # UNIQUE (schedule, period): the database says "once"
        return False
    return True


def take_over(session: Session, by: str, silent: timedelta, now: datetime) -> list[IssueRun]:
    """Claim the runs that wait, and those without a heartbeat for `silent`; the oldest first.

    Compare-and-set on the owner, so that only one of several processes gets a run.
    """
    moment = database_now(session)
    query = select(IssueRun).where(col(IssueRun.state).in_(sorted(OPEN)))
    open_runs = session.exec(query.order_by(col(IssueRun.due_at), col(IssueRun.id))).all()
    return [run for run in open_runs if not _lives(run, moment, silent) and _take(session, run, by, moment, now)]


def _lives(run: IssueRun, moment: datetime, silent: timedelta) -> bool:
    # a heartbeat in the future is from before the database's clock was set back; a live process gives another soon
    return run.state == RunState.RUNNING and abs(moment - run.heartbeat_at) <= silent


def _take(session: Session, run: IssueRun, by: str, moment: datetime, now: datetime) -> bool:
    mine = _owned(run.id, run.claimed_by).where(col(IssueRun.state) == run.state)
    values = {"claimed_by": by, "claimed_at": now, "heartbeat_at": moment, "state": RunState.RUNNING.value}
    if not _changed(session, mine.values(values)):
        return False
    session.refresh(run)
    return True


def beat(session: Session, run_id: int, by: str) -> bool:
    """Update the heartbeat; False when the run is no longer ours."""
    return _changed(session, _owned(run_id, by).values(heartbeat_at=database_now(session)))


def save(session: Session, run: IssueRun) -> None:
    """Store how far a run has come; raise RunLostError when it is no longer ours."""
    values = {name: getattr(run, name) for name in ("state", "step", "detail", "issue_id", "due_at", "finished_at")}
    if not _changed(session, _owned(run.id, run.claimed_by).values(**values, heartbeat_at=database_now(session))):
        raise RunLostError(f"Another process has taken over the run of {run.period}")


def note(run: IssueRun, state: RunState, step: str, why: str, now: datetime) -> None:
    """Set how far a run has come; `save` stores it."""
    run.state, run.step = state, step
    run.detail = {**run.detail, "why": why}
    run.finished_at = None if state in OPEN else now


def close(session: Session, run: IssueRun, state: RunState, why: str, now: datetime) -> bool:
    """End an open run in `state`, whichever process has it; False when it has ended already."""
    is_open = update(IssueRun).where(col(IssueRun.id) == run.id, col(IssueRun.state).in_(sorted(OPEN)))
    values = {"state": state.value, "claimed_by": "", "finished_at": now, "detail": {**run.detail, "why": why}}
    return _changed(session, is_open.values(values))


def amend(session: Session, run: IssueRun, **detail: object) -> bool:
    """Add to the notes of a waiting run, from outside; False when it does not wait (any more)."""
    waits = _owned(run.id, run.claimed_by).where(col(IssueRun.state) == RunState.WAITING)
    return _changed(session, waits.values(detail={**run.detail, **detail}))


def reopen_early(session: Session, now: datetime) -> list[str]:
    """Set runs back to waiting that were missed by a clock that was ahead; return their periods."""
    query = select(IssueRun).where(col(IssueRun.state) == RunState.MISSED, col(IssueRun.due_at) > now)
    early = session.exec(query.with_for_update()).all()
    for run in early:
        run.state, run.finished_at = RunState.WAITING, None
        run.detail = {**run.detail, "why": "the clock was ahead when it was recorded as missed"}
        session.add(run)
    return [run.period for run in early]


def _owned(run_id: int | None, by: str) -> Any:
    return update(IssueRun).where(col(IssueRun.id) == run_id, col(IssueRun.claimed_by) == by)


def _changed(session: Session, statement: Any) -> bool:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


def find(session: Session, period: str, schedules: Sequence[str]) -> IssueRun | None:
    """Return the run of a period: of the first of `schedules` that has one."""
    rows = {row.schedule: row for row in session.exec(select(IssueRun).where(IssueRun.period == period))}
    return next((rows[name] for name in schedules if name in rows), None)


def history(session: Session) -> list[IssueRun]:
    """Return every run, the newest first."""
    query = select(IssueRun).where(IssueRun.period != INSTALLED).order_by(col(IssueRun.due_at).desc())
    return list(session.exec(query))


def next_day(session: Session, schedule: str, settings: Settings, now: datetime) -> date | None:
    """Return the day of the next issue by the calendar; None for a schedule that was never started."""
    runs = {run.period: run.state for run in session.exec(select(IssueRun).where(IssueRun.schedule == schedule))}
    ahead = islice(occurrences(settings, now), _AHEAD) if runs else ()
    entry = next((one for one in ahead if runs.get(str(one.period), RunState.WAITING) in OPEN), None)
    return entry.due_at.astimezone(settings.publication.zone).date() if entry else None
