"""Settlement: the outcomes of attempts, written once per attempt and safe to repeat. Callers commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Boolean, DateTime, Integer, String, func, or_, select, update
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox.dialects import Prepared, Types
from digest.outbox.states import DUE, Outcome, State, moves_to
from digest.outbox.tables import ATTEMPT, DELIVERY, IS_DUE, ISSUE, Promised, move
from digest.runtime.atomic_file import whole_file
from digest.runtime.errors import UsageError

WITHDRAWN = "the issue was withdrawn"
_COMES_BACK = frozenset({State.PENDING, State.DEFERRED})


class OutcomesUnreadableError(UsageError):
    """The file is not one that a worker wrote when it could not reach the database."""


@dataclass(slots=True)  # each mail makes one: not frozen
class Settlement:
    """Outcome of an attempt: the state its promise goes to and why, and the server's answer.

    `due_at` is None when it stays as it was. `by_evidence`: seen in a log, a report or a journal, or said by a person;
    it is no reply to this attempt. `about_us`: of a refusal that any other reader would meet, too, what to do about it.
    `overrules`: a rejection from further on, which also changes what the relay had accepted.
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
    about_us: str = ""
    overrules: bool = False

    @property
    def answer(self) -> str:
        """The server's answer with its code."""
        return f"{self.code or ''} {self.reply}".strip()

    @property
    def settles(self) -> tuple[str, ...]:
        """The states it may follow: what is uncertain may have gone, whatever its sender believes."""
        if self.overrules:
            return moves_to(self.state, State.STARTED, State.UNCERTAIN, State.ACCEPTED)
        if self.outcome == Outcome.NOT_SENT and not self.by_evidence:
            return moves_to(self.state, State.STARTED)
        return moves_to(self.state, State.STARTED, State.UNCERTAIN)


def settle(session: Session, settlements: Sequence[Settlement]) -> int:
    """Write how attempts ended; return how many promises that changed.

    A promise changes only if this attempt still owns it and it is not settled yet; else the attempt keeps the outcome
    as evidence. What comes back for an issue withdrawn meanwhile is cancelled; an issue marked as sent meanwhile is
    reopened, else what came back would never be taken.
    """
    changed = 0
    for promised in Promised:
        mine = sorted((s for s in settlements if s.promised is promised), key=lambda s: s.id)
        if not mine:
            continue
        back = [s.id for s in mine if s.state in _COMES_BACK]
        states = _lock_issues(session, back) if back and promised is Promised.DELIVERY else set()
        for allowed in sorted({s.settles for s in mine}):
            some = [s for s in mine if s.settles == allowed]
            rows = [[s.id, s.attempt_id, s.state.value, s.reason, s.ended_at, s.due_at] for s in some]
            changed += _settle_promises(promised, allowed).run(session, rows).rowcount
        if IssueState.WITHDRAWN in states:
            _cancel_withdrawn(session, back)
        if IssueState.SENT in states:
            _reopen_sent(session, back)
    attempts = [
        [s.attempt_id, s.ended_at, str(s.outcome), s.code, s.enhanced, s.reply, s.relay, s.by_evidence]
        for s in settlements
    ]
    if attempts:
        _SETTLE_ATTEMPTS.run(session, attempts)
    return changed


_TEXT, _TIME = String(), DateTime(timezone=True)
_ROWS: Types = {"id": Integer(), "attempt": _TEXT, "state": _TEXT, "reason": _TEXT, "ended_at": _TIME, "due_at": _TIME}


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


_ANSWER = ("enhanced", "reply", "relay")
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
            by_evidence=given.c.by_evidence,
        )
    ),
    {
        "attempt": _TEXT,
        "ended_at": _TIME,
        "outcome": _TEXT,
        "code": Integer(),
        **dict.fromkeys(_ANSWER, _TEXT),
        "by_evidence": Boolean(),
    },
    changes=True,
)


def _lock_issues(session: Session, back: Sequence[int]) -> set[str]:
    """Lock the issues of what comes back, and return their states.

    A withdrawal in progress is waited for: it cancels what is due, and would not see what comes back meanwhile.
    """
    issues = select(DELIVERY.c.issue_id).where(DELIVERY.c.id.in_(back))
    query = select(ISSUE.c.state).where(ISSUE.c.id.in_(issues)).with_for_update(read=True)
    return set(session.execute(query).scalars())


def _cancel_withdrawn(session: Session, back: Sequence[int]) -> None:
    withdrawn = select(ISSUE.c.id).where(ISSUE.c.state == IssueState.WITHDRAWN)
    cancelled = move(DELIVERY, State.CANCELLED, DUE, DELIVERY.c.id.in_(back), DELIVERY.c.issue_id.in_(withdrawn))
    session.execute(cancelled.values(reason=WITHDRAWN))


def _reopen_sent(session: Session, back: Sequence[int]) -> None:
    issues = select(DELIVERY.c.issue_id).where(DELIVERY.c.id.in_(back), IS_DUE)
    session.execute(
        update(ISSUE)
        .where(ISSUE.c.id.in_(issues), ISSUE.c.state == IssueState.SENT.value)
        .values(state=IssueState.SENDING.value, sent_at=None)
    )


def not_sent(
    promised: Promised, of_id: int, attempt_id: str, why: str, now: datetime, *, due_at: datetime | None = None
) -> Settlement:
    """Return the settlement of an attempt that ended before the envelope: due at once, or at `due_at`."""
    return Settlement(promised, of_id, attempt_id, State.PENDING, Outcome.NOT_SENT, now, reason=why, due_at=due_at)


_FILE = TypeAdapter(list[Settlement])


def write_file(path: Path, settlements: Iterable[Settlement]) -> None:
    """Write settlements to a file, atomically and durably, until the database is back."""
    with whole_file(path, mode=0o600) as partial:
        partial.write_bytes(_FILE.dump_json(list(settlements), indent=1))


def read_file(path: Path) -> list[Settlement]:
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutcomesUnreadableError(f"{path} does not contain valid outcomes") from error
