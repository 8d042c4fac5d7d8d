"""When to look into the outbox again: a cheap question to the database, and the arithmetic of waiting."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from digest.outbox import store
from digest.outbox.tables import IS_STARTED, ISSUE, Promised

AT_MOST_EVERY = 1.0
"""Seconds between two looks that nobody announced: what is due but taken by another worker must not make us spin."""
LOOK_AFTER_THE_DEAD = 30.0
"""Seconds: something stays started for ever if its worker died and no other ever begins to work."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """When the next mail is due (None: none will be), and whether some worker has started what is not settled."""

    due_at: datetime | None
    started: bool

    def wants_work(self, now: datetime, idle_seconds: float) -> bool:
        """Return whether a worker has something to do, `idle_seconds` after its last work."""
        due = self.due_at is not None and self.due_at <= now
        return due or (self.started and idle_seconds >= LOOK_AFTER_THE_DEAD)

    def pause(self, now: datetime, longest: float) -> float:
        """Return for how many seconds nobody needs to ask again, at most `longest`."""
        if self.due_at is None:
            return longest
        return min(longest, max(AT_MOST_EVERY, (self.due_at - now).total_seconds()))


def outlook(session: Session, only: int | None = None) -> Outlook:
    """Read the outlook for all issues that are being sent (or `only` the one with this number) and all notices."""
    issues = store.sending(session)
    if only is not None:
        wanted = session.execute(select(ISSUE.c.id).where(ISSUE.c.number == only)).scalar()
        issues = [issue_id for issue_id in issues if issue_id == wanted]
    moments = [store.next_notice_due(session), *(store.next_due(session, issue_id) for issue_id in issues)]
    started = any(
        session.execute(select(promised.table.c.id).where(IS_STARTED).limit(1)).first() for promised in Promised
    )
    return Outlook(min((moment for moment in moments if moment is not None), default=None), started)
