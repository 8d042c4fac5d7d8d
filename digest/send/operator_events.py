"""Operator events about issues: an issue is finished, or has uncertain deliveries.

Derived from the rows, not from memory: after a crash the next worker sends the event, and none is sent twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlmodel import Session, col

from digest.feedback.models import EVENT, FeedbackKind
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.notify import Event, EventKind
from digest.notify.models import WebhookCall
from digest.outbox import operations, store
from digest.outbox.restore import RESTORED
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, NOTICE
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import session_scope
from digest.send.context import SendContext
from digest.send.status import way_out

REPORT_AFTER = timedelta(days=3)
_REPORT_NO_LATER = timedelta(days=30)


def tell_of(context: SendContext, issue_ids: Sequence[int]) -> bool:
    """Notify operators of finished issues, new uncertain deliveries, and any issue that was held; return whether
    anything was sent.
    """
    operators = context.delivery.settings.operators
    if not (operators.addresses or operators.webhook):
        return False
    notified = False
    with session_scope(context.engine) as session:
        for event in _events(session, issue_ids, context.clock.now()):
            notified = context.notifier.tell(session, event) or notified
    return notified


def _events(session: Session, issue_ids: Sequence[int], now: datetime) -> list[Event]:
    events = []
    # also one that was held by a worker that ended before it could tell
    ours = or_(col(Issue.id).in_(issue_ids), operations.HELD_BY_US)
    for issue in session.scalars(select(Issue).where(ours).order_by(col(Issue.number))):
        if issue.held:
            events.append(halted(session, issue, now))
        newest = _newest_uncertain(session, issue.id or 0)
        ending = Event(EventKind.FINISHED, now, issue.number)
        finished = issue.state == IssueState.SENT and not _last_key(session, ending)
        if not newest and not finished:
            continue
        counted = store.counts(session, issue.id or 0)
        if newest:
            waiting = {State.UNCERTAIN.value: counted[State.UNCERTAIN]}
            event = Event(EventKind.UNCERTAIN_WAITING, now, issue.number, issue.period, "", waiting, occasion=newest)
            if event.key > _last_key(session, event):
                events.append(event)
        if finished:
            events.append(Event(EventKind.FINISHED, now, issue.number, issue.period, numbers=_numbers(issue, counted)))
    return events


def tell_of_reports(context: SendContext) -> bool:
    """Notify operators once of each issue whose report is ready, days after its end; return whether of any.

    What ended long ago is nothing new: an upgrade must not tell of every old issue.
    """
    operators, now = context.delivery.settings.operators, context.clock.now()
    if EventKind.REPORT.value not in operators.wanted or not (operators.addresses or operators.webhook):
        return False
    ended = col(Issue.sent_at).between(now - _REPORT_NO_LATER, now - REPORT_AFTER)
    told = False
    with session_scope(context.engine) as session:
        for issue in session.scalars(select(Issue).where(ended).order_by(col(Issue.number))):
            event = Event(EventKind.REPORT, now, issue.number, issue.period)
            if not _last_key(session, event):
                told = context.notifier.tell(session, replace(event, numbers=_report_numbers(session, issue))) or told
    return told


def _report_numbers(session: Session, issue: Issue) -> dict[str, int]:
    complained = select(func.count()).where(EVENT.c.issue_id == issue.id, EVENT.c.kind == FeedbackKind.COMPLAINT.value)
    return _numbers(issue, store.counts(session, issue.id or 0)) | {
        "complaints": session.execute(complained).scalar_one()
    }


def _numbers(issue: Issue, counted: Mapping[State, int]) -> dict[str, int]:
    states = {state.value: count for state, count in counted.items()}
    return {"planned": sum(counted.values()), **states, "excluded": sum(issue.excluded.values())}


def halted(session: Session, issue: Issue, now: datetime) -> Event:
    """Return the event that an issue is held, with the commands that lead out of it."""
    counted, number = store.counts(session, issue.id or 0), issue.number
    why = f"issue {number} is held: {issue.held_reason}"
    commands = (f"digest outbox status {number}", *way_out(number, counted))
    numbers = {state.value: count for state, count in counted.items()}
    return Event(EventKind.HALTED, now, number, issue.period, why, numbers, commands, f"hold-{issue.holds}")


def _newest_uncertain(session: Session, issue_id: int) -> str:
    """Return the id of the newest uncertain attempt; those that a restore made up were reported by the restore."""
    query = select(func.max(DELIVERY.c.attempt_id)).where(
        DELIVERY.c.issue_id == issue_id,
        DELIVERY.c.state == State.UNCERTAIN.value,
        ~DELIVERY.c.attempt_id.startswith(RESTORED),
    )
    return session.execute(query).scalar() or ""


def _last_key(session: Session, event: Event) -> str:
    """Return the greatest key sent of an event that differs from `event` by its occasion only; empty if none.

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
    """The mail to one operator about an event."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallStatus:
    """The webhook call for an event."""

    state: str
    answer: str


@dataclass(frozen=True, slots=True)
class EventStatus:
    """Status of an event: each mail, and the webhook call (None if there is none)."""

    event: str
    mails: Sequence[MailStatus]
    webhook: CallStatus | None

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def status_of(session: Session, event: Event) -> EventStatus:
    mine = NOTICE.c.key.startswith(f"{event.key}:", autoescape=True)
    mails = session.execute(select(NOTICE.c.state, NOTICE.c.reason).where(NOTICE.c.kind == NoticeKind.OPERATOR, mine))
    call = session.scalars(select(WebhookCall).where(col(WebhookCall.key) == event.key)).first()
    webhook = CallStatus(call.state, call.answer) if call else None
    return EventStatus(event.key, [MailStatus(row.state, row.reason) for row in mails], webhook)
