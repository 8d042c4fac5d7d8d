"""The desk's first page: where the issue stands, what comes next, what is missing, and who has to act."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel import Session, col, select
from starlette.responses import Response

from digest.issues.lifecycle import PUBLISHED, IssueState
from digest.issues.models import Issue
from digest.outbox import store as outbox
from digest.outbox.states import State
from digest.publish.approval import approvals_of
from digest.runtime.db import session_scope
from digest.runtime.errors import NotFoundError
from digest.schedule import runs
from digest.schedule.month import MONTHLY
from digest.web.desk import preview_views as views
from digest.web.desk.access import EVERYBODY, DeskRoute, Visiting
from digest.web.desk.pages import DeskPages
from digest.web.desk.reader_summary import summary_of
from digest.web.desk.state import Snapshot

DONE, NOW, LATER = "done", "now", "later"
STEPS = ("assemble", "check", "approve", "send", "report")


@dataclass(frozen=True, slots=True)
class IssueProgress:
    """How far an issue is: each of the five steps is done, now or later. Pure."""

    state: str
    blocking: int
    given: int
    required: int
    valid: bool

    @property
    def steps(self) -> dict[str, str]:
        """Each step with its state."""
        if self.state == IssueState.WITHDRAWN:
            return dict.fromkeys(STEPS, LATER)
        done = {
            "assemble": True,
            "check": not self.blocking or self.is_on_its_way,
            "approve": self.is_on_its_way or (self.state == IssueState.APPROVED and self.valid),
            "send": self.state == IssueState.SENT,
            "report": False,
        }
        first = next(name for name in STEPS if not done[name])
        return {name: NOW if name == first else DONE if done[name] else LATER for name in STEPS}

    @property
    def is_on_its_way(self) -> bool:
        """Whether it is frozen, and nobody may change it."""
        return self.state in {IssueState.FROZEN, IssueState.SENDING, IssueState.SENT}

    @property
    def lacking(self) -> int:
        """How many people still have to approve."""
        return max(0, self.required - (self.given if self.valid else 0))


class MonthPage:
    """Handler of the first page."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def month(self, visitor: Visiting, done: str = "") -> Response:
        """Show the issue that is being made, or that none is."""
        desk = self._pages.desk
        values: dict[str, Any] = {"issue": None, "done": done}
        try:
            look: Snapshot | None = desk.look()
        except NotFoundError:
            look = None
        with session_scope(desk.publisher.engine, read_only=True) as session:
            values |= {"last": self._last(session), "next_day": self._next_day(session)}
            if look is not None:
                values |= self._facts(session, look, visitor.language)
        return self._pages.show(visitor, "desk_month", troubles=desk.troubles(), **values)

    def _facts(self, session: Session, look: Snapshot, language: str) -> dict[str, Any]:
        issue, approval = look.issue, look.publisher.settings.approval
        given, blocking = approvals_of(issue), look.made.blocking
        progress = IssueProgress(issue.state, len(blocking), len(given), approval.required, not look.changed)
        counted = outbox.counts(session, issue.id or 0)
        return {
            "issue": issue,
            "facts": views.desk_facts(look, language),
            "progress": progress,
            "articles": len(look.made.content.articles),
            "editions": len(look.made.editions),
            "blocking": list(dict.fromkeys((one.id, one.message) for one in blocking)),
            "approvers": [one.shown for one in given],
            "changed": look.changed,
            "nothing_for": summary_of(look, language).followed_in_vain,
            "counted": {state.value: count for state, count in counted.items() if count},
            "accepted": counted[State.ACCEPTED],
            "planned": sum(counted.values()),
        }

    def _last(self, session: Session) -> Issue | None:
        query = select(Issue).where(col(Issue.state).in_(PUBLISHED)).order_by(col(Issue.number).desc())
        return session.exec(query).first()

    def _next_day(self, session: Session) -> date | None:
        return runs.next_day(session, MONTHLY, self._pages.desk.publisher.settings, self._pages.app.clock.now())


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the route of the first page."""
    return [DeskRoute("GET", "", MonthPage(pages).month, EVERYBODY)]
