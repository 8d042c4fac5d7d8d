"""A database that lost what workers had committed: digest.db without its -wal, or an older copy put in its place.

Journals tell: they stand outside of the database and name attempts that it does not have. What may have been sent by
these is uncertain, and what is on its way is held; a person releases it. The caller commits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import and_, func, select, true
from sqlmodel import Session

from digest.issues.lifecycle import IssueState
from digest.outbox import operations
from digest.outbox.dialects import is_alone
from digest.outbox.journal import LAST, HandedOver, JournalContents
from digest.outbox.recover import unknown_attempts
from digest.outbox.restore import LOST, RESTORED, doubt
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, NOTICE, Promised
from digest.outbox.take import microseconds
from digest.outbox.workers import WorkerLiveness

_GOING = IssueState.FROZEN, IssueState.SENDING
_NOT_ENDED = IssueState.DRAFT, IssueState.APPROVED, *_GOING


@dataclass(frozen=True, slots=True)
class Loss:
    """What was done about a loss: issues held, by number, and how many promises are uncertain.

    `files` are the journals that told; remove them once this is committed.
    """

    why: str
    held: tuple[int, ...]
    uncertain: int
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Damage:
    path: Path
    journal: JournalContents
    lost: tuple[HandedOver, ...]

    @property
    def is_whole_story(self) -> bool:
        """Whether these are all attempts that this worker, or any that signed off, made after the database's state."""
        return self.path.name != LAST and (self.journal.is_complete or len(self.lost) < len(self.journal.attempts))


def find_loss(session: Session, liveness: WorkerLiveness, database: str) -> list[_Damage]:
    """Return the journals that name attempts which the database does not have, and did not lose by a restore."""
    found = []
    for path, journal in liveness.marks(database):
        unknown = unknown_attempts(session, journal.attempts)
        if unknown and (lost := _since(_last_restore(session), [journal.attempts[one] for one in unknown])):
            found.append(_Damage(path, journal, lost))
    return found


def settle_loss(session: Session, liveness: WorkerLiveness, database: str, now: datetime) -> Loss | None:
    """Hold what is on its way and mark as uncertain what the lost attempts may have sent; None if nothing was lost.

    Where the journals tell all of the lost attempts, only their promises are uncertain, else all that is unfinished.
    """
    damages = find_loss(session, liveness, database)
    if not damages:
        return None
    lost = [one for damage in damages for one in damage.lost]
    when = datetime.fromtimestamp(min(int(one.attempt_id[:12], 16) for one in lost) / 1000, UTC)
    why = f"the database has lost what was committed since {when:%Y-%m-%d %H:%M:%S} UTC, at the latest"
    is_told = is_alone(session) and all(damage.is_whole_story for damage in damages)
    exact = _promises(session, lost) if is_told else None
    going = _NOT_ENDED if exact is None else _GOING
    issues = session.execute(select(ISSUE.c.id, ISSUE.c.number).where(ISSUE.c.state.in_(going)).order_by(ISSUE.c.id))
    held = {row.id: row.number for row in issues}
    for issue_id in held:
        _hold(session, issue_id)
    in_doubt = {
        Promised.DELIVERY: DELIVERY.c.issue_id.in_(held)
        if exact is None
        else DELIVERY.c.id.in_(exact[Promised.DELIVERY]),
        Promised.NOTICE: true() if exact is None else NOTICE.c.id.in_(exact[Promised.NOTICE]),
    }
    uncertain = 0
    for promised, condition in in_doubt.items():
        is_open = promised.table.c.state.in_(sorted(LOST))
        uncertain += doubt(session, promised, and_(is_open, condition), now, why=why)
    return Loss(why, tuple(held.values()), uncertain, tuple(damage.path for damage in damages))


def _promises(session: Session, lost: Sequence[HandedOver]) -> dict[Promised, set[int]] | None:
    """Return the promises of the lost attempts; None if the database has lost a delivery itself."""
    found: dict[Promised, set[int]] = {promised: set() for promised in Promised}
    for promised, ids in found.items():
        table, planned = promised.table, {one.id: one.planned_at for one in lost if one.promised is promised}
        rows = session.execute(select(table.c.id, table.c.created_at).where(table.c.id.in_(planned)))
        ids.update(row.id for row in rows if microseconds(row.created_at) == planned[row.id])
        if promised is Promised.DELIVERY and len(ids) < len(planned):
            return None
    return found


def _hold(session: Session, issue_id: int) -> None:
    operations.hold(session, issue_id)


def _last_restore(session: Session) -> str:
    """Return the newest attempt that a restore or a loss made up: what was lost before is dealt with."""
    return session.execute(select(func.max(ATTEMPT.c.id)).where(ATTEMPT.c.id.startswith(f"{RESTORED}-"))).scalar() or ""


def _since(restore: str, lost: Iterable[HandedOver]) -> tuple[HandedOver, ...]:
    made_up_at = restore.removeprefix(f"{RESTORED}-")[:12]
    return tuple(one for one in lost if one.attempt_id[:12] > made_up_at)
