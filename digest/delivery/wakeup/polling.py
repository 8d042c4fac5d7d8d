"""Polling of the outbox: a cheap query, and how long to wait until the next one."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from digest.outbox import store
from digest.outbox.tables import IS_STARTED, ISSUE, Promised

AT_MOST_EVERY = 1.0
"""Shortest seconds between two polls: what is due but taken by another worker must not make us spin."""
LOOK_AFTER_THE_DEAD = 30.0
"""Seconds. Work of a dead worker stays started until another worker begins."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """When the next mail is due (None: none will be), and whether something is started and not settled."""

    due_at: datetime | None
    started: bool

    def wants_work(self, now: datetime, idle_seconds: float) -> bool:
        """Return whether there is work to do, `idle_seconds` after the last work."""
        due = self.due_at is not None and self.due_at <= now
        return due or (self.started and idle_seconds >= LOOK_AFTER_THE_DEAD)

    def pause(self, now: datetime, longest: float) -> float:
        """Return the seconds until the next poll, at most `longest`."""
        if self.due_at is None:
            return longest
        return min(longest, max(AT_MOST_EVERY, (self.due_at - now).total_seconds()))


def outlook(session: Session, only: int | None = None) -> Outlook:
    """Read the outlook for all notices and all issues being sent, or `only` the issue of this number."""
    issues = store.sending(session)
    if only is not None:
        wanted = session.execute(select(ISSUE.c.id).where(ISSUE.c.number == only)).scalar()
        issues = [issue_id for issue_id in issues if issue_id == wanted]
    moments = [store.next_notice_due(session), *(store.next_due(session, issue_id) for issue_id in issues)]
    first_started = (select(promised.table.c.id).where(IS_STARTED).limit(1) for promised in Promised)
    started = any(session.execute(query).first() for query in first_started)
    return Outlook(min(filter(None, moments), default=None), started)
