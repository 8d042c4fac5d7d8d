"""Data loss: a database without what workers had committed, as digest.db without its -wal, or an older copy of it.

Journals tell: they stand outside of the database and name attempts that it does not have. What may have been sent by
these is uncertain, and what is on its way is held; a person releases it. The caller commits.
"""

from collections.abc import Sequence
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
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, Promised
from digest.outbox.take import microseconds
from digest.outbox.workers import WorkerLiveness
from digest.runtime.clock import boot_id

_GOING = IssueState.FROZEN, IssueState.SENDING
_NOT_ENDED = IssueState.DRAFT, IssueState.APPROVED, *_GOING


@dataclass(frozen=True, slots=True)
class Loss:
    """What was done about a loss: issues held, by number, and how many promises are uncertain.

    `since` is the time of the first lost attempt that is known. `files` are the journals that told; remove them once
    this is committed.
    """

    since: datetime
    why: str
    held: tuple[int, ...]
    uncertain: int
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class LossEvidence:
    """A journal, and the attempts in it that the database does not have."""

    path: Path
    journal: JournalContents
    lost: tuple[HandedOver, ...]

    def is_whole(self, host: str) -> bool:
        """Return whether nothing else was lost that this worker, or one that signed off, handed over."""
        is_current = self.path.name != LAST and (self.journal.host, self.journal.boot) == (host, boot_id())
        return is_current and (self.journal.is_complete or len(self.lost) < len(self.journal.attempts))


def find_loss(session: Session, liveness: WorkerLiveness, database: str) -> list[LossEvidence]:
    """Return the journals that name attempts which the database does not have, but for those that a restore lost."""
    found = []
    for path, journal in liveness.marks(database):
        if unknown := unknown_attempts(session, journal.attempts):
            made_up = select(func.max(ATTEMPT.c.id)).where(ATTEMPT.c.id.startswith(f"{RESTORED}-"))
            restored_at = (session.scalar(made_up) or "").removeprefix(f"{RESTORED}-")[:12]
            lost = tuple(journal.attempts[one] for one in unknown if one[:12] > restored_at)
            found += [LossEvidence(path, journal, lost)] if lost else []
    return found


def settle_loss(session: Session, liveness: WorkerLiveness, database: str, now: datetime) -> Loss | None:
    """Hold what is on its way and mark as uncertain what the lost attempts may have sent; None if nothing was lost.

    Where the journals name all of the lost attempts, only their promises are uncertain, else all that is unfinished.
    """
    found = find_loss(session, liveness, database)
    lost = [one for evidence in found for one in evidence.lost]
    if not lost:
        return None
    since = datetime.fromtimestamp(min(int(one.attempt_id[:12], 16) for one in lost) / 1000, UTC)
    why = (
        f"the database has lost all changes since {since:%Y-%m-%d %H:%M:%S} UTC or earlier. Mails that may have "
        "been sent since then are uncertain; later sign-ups and unsubscribes are missing"
    )
    # on a server, workers of other machines may have lost some, too
    is_all = is_alone(session) and all(evidence.is_whole(liveness.host) for evidence in found)
    exactly = _promises(session, lost) if is_all else {}
    going = _GOING if exactly else _NOT_ENDED
    issues = session.execute(select(ISSUE.c.id, ISSUE.c.number).where(ISSUE.c.state.in_(going)).order_by(ISSUE.c.id))
    held = {row.id: row.number for row in issues}
    for issue_id in held:
        operations.hold(session, issue_id, why)
    in_doubt = {Promised.DELIVERY: DELIVERY.c.issue_id.in_(held), Promised.NOTICE: true()}
    in_doubt |= {promised: promised.table.c.id.in_(ids) for promised, ids in exactly.items()}
    uncertain = 0
    for promised, which in in_doubt.items():
        is_open = promised.table.c.state.in_(sorted(LOST))
        uncertain += doubt(session, promised, and_(is_open, which), now, why=why)
    return Loss(since, why, tuple(held.values()), uncertain, tuple(evidence.path for evidence in found))


def _promises(session: Session, lost: Sequence[HandedOver]) -> dict[Promised, set[int]]:
    """Return the promises of the lost attempts by kind; empty if the database has lost a delivery itself."""
    found: dict[Promised, set[int]] = {}
    for promised in Promised:
        table, planned = promised.table, {one.id: one.planned_at for one in lost if one.promised is promised}
        rows = session.execute(select(table.c.id, table.c.created_at).where(table.c.id.in_(planned)))
        found[promised] = {row.id for row in rows if microseconds(row.created_at) == planned[row.id]}
        if promised is Promised.DELIVERY and len(found[promised]) < len(planned):
            return {}
    return found
