"""Settling: what became of attempts, written once per attempt and harmless to repeat. Callers commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import CursorResult, bindparam, func, or_, select, update
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, ISSUE, Promised
from digest.runtime.errors import UsageError

NOT_SENT = "not_sent"
"""The outcome of an attempt that certainly ended before the envelope."""

WITHDRAWN = "the issue was withdrawn"
_COMES_BACK = frozenset({State.PENDING, State.DEFERRED})
_UNSETTLED = (State.STARTED.value, State.UNCERTAIN.value)


class OutcomesUnreadableError(UsageError):
    """The file is not one that a worker wrote when it could not reach the database."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One attempt's end: the state its promise goes to and why, and what the server said.

    `due_at` is None when it stays as it was. `outcome` is a value of digest.delivery.outcome.Outcome.
    `by_evidence` tells that `not_sent` was not believed but seen.
    """

    promised: Promised
    id: int
    attempt_id: str
    state: State
    outcome: str
    ended_at: datetime
    reason: str = ""
    due_at: datetime | None = None
    code: int | None = None
    enhanced: str | None = None
    reply: str = ""
    relay: str = ""
    by_evidence: bool = False

    @property
    def settles(self) -> tuple[str, ...]:
        """The states from which it may be taken: what is uncertain may have gone, whatever its sender believes."""
        return (State.STARTED.value,) if self.outcome == NOT_SENT and not self.by_evidence else _UNSETTLED


def settle(session: Session, settlements: Sequence[Settlement]) -> int:
    """Write how attempts ended; return how many promises that changed.

    A promise changes only if this attempt still owns it and nobody has settled it; else the attempt keeps what is said
    here as evidence. What comes back although its issue was withdrawn meanwhile is cancelled.
    """
    changed = 0
    for promised in Promised:
        mine = sorted((s for s in settlements if s.promised is promised), key=lambda s: s.id)
        if not mine:
            continue
        if promised is Promised.DELIVERY:
            _lock_issues(session, mine)
        for allowed in sorted({s.settles for s in mine}):
            changed += _write(session, promised, [s for s in mine if s.settles == allowed], allowed)
        if promised is Promised.DELIVERY:
            _cancel_withdrawn(session, mine)
    _write_attempts(session, settlements)
    return changed


def _write(session: Session, promised: Promised, settlements: Sequence[Settlement], allowed: tuple[str, ...]) -> int:
    table = promised.table
    statement = (
        update(table)
        .where(
            table.c.id == bindparam("of_id"),
            table.c.attempt_id == bindparam("attempt"),
            or_(*(table.c.state == state for state in allowed)),  # IN would expand, which executemany cannot
        )
        .values(
            state=bindparam("new_state"),
            reason=bindparam("why"),
            settled_at=bindparam("ended"),
            due_at=func.coalesce(bindparam("due", type_=table.c.due_at.type), table.c.due_at),
        )
    )
    values = [
        {
            "of_id": s.id,
            "attempt": s.attempt_id,
            "new_state": s.state.value,
            "why": s.reason,
            "ended": s.ended_at,
            "due": s.due_at,
        }
        for s in settlements
    ]
    return cast("CursorResult[Any]", session.execute(statement, values)).rowcount


def _write_attempts(session: Session, settlements: Sequence[Settlement]) -> None:
    if not settlements:
        return
    statement = (
        update(ATTEMPT)
        .where(ATTEMPT.c.id == bindparam("attempt"))
        .values(
            ended_at=bindparam("ended"),
            outcome=bindparam("how"),
            code=bindparam("smtp_code"),
            enhanced=bindparam("smtp_enhanced"),
            reply=bindparam("words"),
            relay=func.coalesce(func.nullif(bindparam("server"), ""), ATTEMPT.c.relay),
        )
    )
    values = [
        {
            "attempt": s.attempt_id,
            "ended": s.ended_at,
            "how": s.outcome,
            "smtp_code": s.code,
            "smtp_enhanced": s.enhanced,
            "words": s.reply,
            "server": s.relay,
        }
        for s in settlements
    ]
    session.execute(statement, values)


def _lock_issues(session: Session, settlements: Sequence[Settlement]) -> None:
    """Wait for a withdrawal in progress: it cancels what is due, and would not see what comes back meanwhile."""
    back = [s.id for s in settlements if s.state in _COMES_BACK]
    if back:
        issues = select(DELIVERY.c.issue_id).where(DELIVERY.c.id.in_(back))
        session.execute(select(ISSUE.c.id).where(ISSUE.c.id.in_(issues)).with_for_update(read=True)).all()


def _cancel_withdrawn(session: Session, settlements: Sequence[Settlement]) -> None:
    back = [s.id for s in settlements if s.state in _COMES_BACK]
    if back:
        withdrawn = select(ISSUE.c.id).where(ISSUE.c.state == IssueState.WITHDRAWN)
        session.execute(
            update(DELIVERY)
            .where(DELIVERY.c.id.in_(back), IS_DUE, DELIVERY.c.issue_id.in_(withdrawn))
            .values(state=State.CANCELLED.value, reason=WITHDRAWN)
        )


def not_sent(promised: Promised, of_id: int, attempt_id: str, why: str, now: datetime) -> Settlement:
    """Return the settlement of an attempt that ended before the envelope: it is due again at once."""
    return Settlement(promised, of_id, attempt_id, State.PENDING, NOT_SENT, now, reason=why)


_FILE = TypeAdapter(list[Settlement])


def write_file(path: Path, settlements: Iterable[Settlement]) -> None:
    """Keep settlements in a file until the database is back; the file is whole or not there."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(_FILE.dump_json(list(settlements), indent=1))
    partial.replace(path)


def read_file(path: Path) -> list[Settlement]:
    """Return the settlements that `write_file` kept."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutcomesUnreadableError(f"{path} holds no outcomes that can be read") from error
