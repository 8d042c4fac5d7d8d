"""What is new about issues, as events for the operators: they are finished, or uncertain deliveries wait.

Read from the rows, not remembered: a worker that dies before it has told leaves it to the next one, and what was told
already is not told again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlmodel import Session, col

from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.notify import Event, EventKind
from digest.notify.models import WebhookCall
from digest.outbox import store
from digest.outbox.restore import RESTORED
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, NOTICE
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import session_scope
from digest.send.context import SendContext


def tell_of(context: SendContext, issue_ids: Sequence[int]) -> bool:
    """Tell of the issues that are finished, and of uncertain deliveries that are new; return whether anything was."""
    operators = context.delivery.settings.operators
    if not issue_ids or not (operators.addresses or operators.webhook):
        return False
    any_told = False
    with session_scope(context.engine) as session:
        for event in _events(session, issue_ids, context.clock.now()):
            any_told = context.notifier.tell(session, event) or any_told
    return any_told


def _events(session: Session, issue_ids: Sequence[int], now: datetime) -> list[Event]:
    events = []
    for issue in session.scalars(select(Issue).where(col(Issue.id).in_(issue_ids)).order_by(col(Issue.number))):
        newest = _newest_uncertain(session, issue.id or 0)
        finished = issue.state == IssueState.SENT and not _was_told(
            session, Event(EventKind.FINISHED, now, issue.number)
        )
        if not newest and not finished:
            continue
        counted = store.counts(session, issue.id or 0)
        numbers = {"planned": sum(counted.values()), **{state.value: count for state, count in counted.items()}}
        numbers["excluded"] = sum(issue.excluded.values())
        if newest:
            waiting = {State.UNCERTAIN.value: counted[State.UNCERTAIN]}
            event = Event(EventKind.UNCERTAIN_WAITING, now, issue.number, issue.period, "", waiting, occasion=newest)
            if event.key > _last_told(session, event):
                events.append(event)
        if finished:
            events.append(Event(EventKind.FINISHED, now, issue.number, issue.period, numbers=numbers))
    return events


def _newest_uncertain(session: Session, issue_id: int) -> str:
    """Return the newest attempt whose fate is open; what a restore made up was told when it was restored."""
    query = select(func.max(DELIVERY.c.attempt_id)).where(
        DELIVERY.c.issue_id == issue_id,
        DELIVERY.c.state == State.UNCERTAIN.value,
        ~DELIVERY.c.attempt_id.startswith(RESTORED),
    )
    return session.execute(query).scalar() or ""


def _was_told(session: Session, event: Event) -> bool:
    return bool(_last_told(session, event))


def _last_told(session: Session, event: Event) -> str:
    """Return the greatest key of an event that differs from `event` by its occasion only; empty if there is none.

    Occasions of uncertain deliveries are ids of attempts, which grow with time.
    """
    base = event.key.removesuffix(f":{event.occasion}")

    def of_it(key: Any) -> ColumnElement[bool]:
        return or_(key == base, key.startswith(f"{base}:", autoescape=True))

    mails = select(func.max(NOTICE.c.key)).where(NOTICE.c.kind == NoticeKind.OPERATOR, of_it(NOTICE.c.key))
    calls = select(func.max(WebhookCall.key)).where(of_it(col(WebhookCall.key)))
    return max(session.execute(mails).scalar() or "", session.execute(calls).scalar() or "")


@dataclass(frozen=True, slots=True)
class MailStatus:
    """The mail that tells one operator of an event."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallStatus:
    """The webhook's call of an event."""

    state: str
    answer: str


@dataclass(frozen=True, slots=True)
class EventStatus:
    """What became of an event: each mail, and the webhook's call (None: there is none)."""

    event: str
    mails: Sequence[MailStatus]
    webhook: CallStatus | None

    def as_json(self) -> dict[str, object]:
        """Return it as `tell --test --json` prints it."""
        mails, webhook = [asdict(mail) for mail in self.mails], asdict(self.webhook) if self.webhook else None
        return {"event": self.event, "mails": mails, "webhook": webhook}


def status_of(session: Session, event: Event) -> EventStatus:
    """Return what became of an event."""
    mine = NOTICE.c.key.startswith(f"{event.key}:", autoescape=True)
    mails = session.execute(select(NOTICE.c.state, NOTICE.c.reason).where(NOTICE.c.kind == NoticeKind.OPERATOR, mine))
    call = session.scalars(select(WebhookCall).where(col(WebhookCall.key) == event.key)).first()
    webhook = CallStatus(call.state, call.answer) if call else None
    return EventStatus(event.key, [MailStatus(row.state, row.reason) for row in mails], webhook)
