"""Settling: what became of attempts, written once per attempt and harmless to repeat. Callers commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Column, DateTime, Integer, String, func, or_, select, update
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.dialects import Prepared
from digest.outbox.states import DUE, Outcome, State, moves_to
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, ISSUE, Promised, move
from digest.runtime.atomic_file import whole_file
from digest.runtime.errors import UsageError

WITHDRAWN = "the issue was withdrawn"
_COMES_BACK = frozenset({State.PENDING, State.DEFERRED})


class OutcomesUnreadableError(UsageError):
    """The file is not one that a worker wrote when it could not reach the database."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One attempt's end: the state its promise goes to and why, and what the server said.

    `due_at` is None when it stays as it was. `by_evidence` tells that `not_sent` was not believed but seen.
    """

    promised: Promised
    id: int
    attempt_id: str
    state: State
    outcome: Outcome
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
        if self.outcome == Outcome.NOT_SENT and not self.by_evidence:
            return moves_to(self.state, State.STARTED)
        return moves_to(self.state, State.STARTED, State.UNCERTAIN)


def settle(session: Session, settlements: Sequence[Settlement]) -> int:
    """Write how attempts ended; return how many promises that changed.

    A promise changes only if this attempt still owns it and nobody has settled it; else the attempt keeps what is said
    here as evidence. What comes back although its issue was withdrawn meanwhile is cancelled; an issue that counts as
    sent meanwhile goes on, else nobody would ever take what came back.
    """
    changed = 0
    for promised in Promised:
        mine = sorted((s for s in settlements if s.promised is promised), key=lambda s: s.id)
        if not mine:
            continue
        states = _lock_issues(session, mine) if promised is Promised.DELIVERY else set()
        for allowed in sorted({s.settles for s in mine}):
            changed += _write(session, promised, [s for s in mine if s.settles == allowed], allowed)
        if IssueState.WITHDRAWN in states:
            _cancel_withdrawn(session, mine)
        if IssueState.SENT in states:
            _reopen_sent(session, mine)
    _write_attempts(session, settlements)
    return changed


_ROWS: list[Column[Any]] = [
    Column("id", Integer),
    Column("attempt", String),
    Column("state", String),
    Column("reason", String),
    Column("ended_at", DateTime(timezone=True)),
    Column("due_at", DateTime(timezone=True)),
]


@lru_cache(maxsize=8)
def _settle_promises(promised: Promised, allowed: tuple[str, ...]) -> Prepared:
    table = promised.table
    return Prepared(
        lambda given: (
            update(table)
            .where(
                table.c.id == given.c.id,
                table.c.attempt_id == given.c.attempt,
                or_(*(table.c.state == state for state in allowed)),
            )
            .values(
                state=given.c.state,
                reason=given.c.reason,
                settled_at=given.c.ended_at,
                due_at=func.coalesce(given.c.due_at, table.c.due_at),
            )
        ),
        _ROWS,
        changes=True,
    )


def _write(session: Session, promised: Promised, settlements: Sequence[Settlement], allowed: tuple[str, ...]) -> int:
    rows = [[s.id, s.attempt_id, s.state.value, s.reason, s.ended_at, s.due_at] for s in settlements]
    return _settle_promises(promised, allowed).run(session, rows).rowcount


_SETTLE_ATTEMPTS = Prepared(
    lambda given: (
        update(ATTEMPT)
        .where(ATTEMPT.c.id == given.c.attempt)
        .values(
            ended_at=given.c.ended_at,
            outcome=given.c.outcome,
            code=given.c.code,
            enhanced=given.c.enhanced,
            reply=given.c.reply,
            relay=func.coalesce(func.nullif(given.c.relay, ""), ATTEMPT.c.relay),
        )
    ),
    [
        Column("attempt", String),
        Column("ended_at", DateTime(timezone=True)),
        Column("outcome", String),
        Column("code", Integer),
        Column("enhanced", String),
        Column("reply", String),
        Column("relay", String),
    ],
    changes=True,
)


def _write_attempts(session: Session, settlements: Sequence[Settlement]) -> None:
    rows = [[s.attempt_id, s.ended_at, str(s.outcome), s.code, s.enhanced, s.reply, s.relay] for s in settlements]
    if rows:
        _SETTLE_ATTEMPTS.run(session, rows)


def _lock_issues(session: Session, settlements: Sequence[Settlement]) -> set[str]:
    """Lock the issues of what comes back, and return their states.

    A withdrawal in progress is waited for: it cancels what is due, and would not see what comes back meanwhile.
    """
    back = [s.id for s in settlements if s.state in _COMES_BACK]
    if not back:
        return set()
    issues = select(DELIVERY.c.issue_id).where(DELIVERY.c.id.in_(back))
    query = select(ISSUE.c.state).where(ISSUE.c.id.in_(issues)).with_for_update(read=True)
    return set(session.execute(query).scalars())


def _cancel_withdrawn(session: Session, settlements: Sequence[Settlement]) -> None:
    back = [s.id for s in settlements if s.state in _COMES_BACK]
    withdrawn = select(ISSUE.c.id).where(ISSUE.c.state == IssueState.WITHDRAWN)
    cancelled = move(DELIVERY, State.CANCELLED, DUE, DELIVERY.c.id.in_(back), DELIVERY.c.issue_id.in_(withdrawn))
    session.execute(cancelled.values(reason=WITHDRAWN))


def _reopen_sent(session: Session, settlements: Sequence[Settlement]) -> None:
    back = [s.id for s in settlements if s.state in _COMES_BACK]
    issues = select(DELIVERY.c.issue_id).where(DELIVERY.c.id.in_(back), IS_DUE)
    session.execute(
        update(ISSUE)
        .where(ISSUE.c.id.in_(issues), ISSUE.c.state == IssueState.SENT.value)
        .values(state=IssueState.SENDING.value, sent_at=None)
    )


def not_sent(
    promised: Promised, of_id: int, attempt_id: str, why: str, now: datetime, *, due_at: datetime | None = None
) -> Settlement:
    """Return the settlement of an attempt that ended before the envelope: due again at once, or at `due_at`."""
    return Settlement(promised, of_id, attempt_id, State.PENDING, Outcome.NOT_SENT, now, reason=why, due_at=due_at)


_FILE = TypeAdapter(list[Settlement])


def write_file(path: Path, settlements: Iterable[Settlement]) -> None:
    """Keep settlements in a file until the database is back; the file is whole and on the disk, or not there."""
    with whole_file(path, mode=0o600) as partial:
        partial.write_bytes(_FILE.dump_json(list(settlements), indent=1))


def read_file(path: Path) -> list[Settlement]:
    """Return the settlements that `write_file` kept."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutcomesUnreadableError(f"{path} holds no outcomes that can be read") from error
