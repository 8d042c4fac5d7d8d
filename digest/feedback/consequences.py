"""Consequences of feedback for readers: who is suppressed, counted in issues and not in days. Callers commit.

An issue that is held suppresses nobody before a person releases it, and what servers said while it was sent counts
only when it has ended: a relay that answers "no such user" for everybody must not empty the list.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Engine, and_, func, or_, select, update
from sqlmodel import Session

from digest.delivery.outcome import Reason
from digest.feedback.models import EVENT, EventSource, FeedbackKind
from digest.issues.lifecycle import IssueState
from digest.outbox import operations
from digest.outbox.breaker import BreakerLimits
from digest.outbox.states import FAILED, State
from digest.outbox.tables import BREAKER, DELIVERY, ISSUE, NOTICE, SUBSCRIBER
from digest.runtime.db import session_scope
from subscribers import store, suppression
from subscribers.suppression import SuppressionReason

SOFT_ISSUES = 3
SOFT_SPAN = timedelta(days=60)
REFUSED_NOTICES = 3
REFUSED_SPAN = timedelta(days=7)
"""From the first to the last refusal of so many notices: no issue can hold them when a relay refuses everybody."""
COMPLAINTS = 0.003
"""The share of complaints from which mailbox providers block a sender."""
COMPLAINTS_OF = 300
_LEAST_REFUSED = 10
_AT_ONCE = 500
_WAITS = EVENT.c.acted_at.is_(None)
_REASONS = {
    FeedbackKind.COMPLAINT: SuppressionReason.COMPLAINT,
    FeedbackKind.HARD: SuppressionReason.HARD_BOUNCE,
    FeedbackKind.SOFT: SuppressionReason.SOFT_BOUNCE,
}


def apply(session: Session, now: datetime, limits: BreakerLimits, issues: Collection[int] | None = None) -> int:
    """Draw the consequences of events whose time has come; return how many addresses that has suppressed.

    Those of `issues`, or of all. Holds issues that readers complain of, or whose refusals are too many to be believed.
    """
    if issues is None:
        waiting = select(EVENT.c.issue_id).where(_WAITS, EVENT.c.issue_id.is_not(None)).distinct()
        issues = session.execute(waiting).scalars().all()
    _hold_doubtful(session, issues, limits)
    free = session.execute(select(ISSUE.c.id).where(ISSUE.c.id.in_(issues), ~ISSUE.c.held)).scalars().all()
    is_over = or_(EVENT.c.source != EventSource.REPLY.value, ISSUE.c.state == IssueState.SENT.value)
    suppressed = 0
    # one by one, so that each has its index: the events of a held issue may be many, and wait
    for which in (
        EVENT.c.issue_id.is_(None),
        and_(EVENT.c.issue_id.in_(issues), EVENT.c.kind == FeedbackKind.COMPLAINT.value),
        and_(EVENT.c.issue_id.in_(free), is_over),
    ):
        while rows := session.execute(_events().where(_WAITS, which).limit(_AT_ONCE)).all():
            suppressed += _act(session, rows, now)
            ids = [row.id for row in rows]
            session.execute(update(EVENT).where(EVENT.c.id.in_(ids)).values(acted_at=now))
    return suppressed


def draw(engine: Engine, now: datetime, limits: BreakerLimits) -> int:
    """Do `apply` in a transaction of its own."""
    with session_scope(engine) as session:
        return apply(session, now, limits)


def _events() -> Any:
    names = ("id", "kind", "source", "reason", "detail", "subscriber_id", "notice_id", "happened_at")
    own = [EVENT.c[name] for name in names]
    return (
        select(
            *own,
            DELIVERY.c.state,
            DELIVERY.c.attempt_id,
            DELIVERY.c.started_at,
            ISSUE.c.number,
            SUBSCRIBER.c.suppression_key,
            SUBSCRIBER.c.address_since,
            (NOTICE.c.address == SUBSCRIBER.c.address).label("is_to_reader"),
        )
        .select_from(EVENT)
        .join(SUBSCRIBER, SUBSCRIBER.c.id == EVENT.c.subscriber_id)
        .outerjoin(DELIVERY, DELIVERY.c.id == EVENT.c.delivery_id)
        .outerjoin(NOTICE, NOTICE.c.id == EVENT.c.notice_id)
        .outerjoin(ISSUE, ISSUE.c.id == EVENT.c.issue_id)
    )


def _act(session: Session, rows: Sequence[Any], now: datetime) -> int:
    counting = [row for row in rows if row.suppression_key and _counts(row)]
    soft = {row.subscriber_id for row in counting if row.kind == FeedbackKind.SOFT}
    worn_out = set(_in_a_row(session, soft)) if soft else set()
    refused = {row.subscriber_id for row in counting if _is_refused_notice(row)}
    refused_often = set(_refused_often(session, refused)) if refused else set()
    by_kind: defaultdict[FeedbackKind, dict[str, str]] = defaultdict(dict)
    for row in counting:
        kind = FeedbackKind(row.kind)
        if _is_refused_notice(row) and row.subscriber_id not in refused_often:
            continue
        if kind is not FeedbackKind.SOFT or row.subscriber_id in worn_out:
            by_kind[kind][row.suppression_key] = _evidence(row)
    store.lock_all(session, sorted({row.subscriber_id for row in counting}))
    return sum(
        suppression.add_all(session, by_kind[kind], reason, now) for kind, reason in _REASONS.items() if by_kind[kind]
    )


def _counts(row: Any) -> bool:
    """Return whether an event says something about the address that the reader has now."""
    if row.notice_id is not None:
        return bool(row.is_to_reader)
    if row.address_since is not None and row.started_at is not None and row.address_since > row.started_at:
        return False
    is_settled = row.state in FAILED and row.attempt_id == row.detail.get("attempt")
    return is_settled or bool(row.source != EventSource.REPLY.value)


def _is_refused_notice(row: Any) -> bool:
    return row.notice_id is not None and bool(row.source == EventSource.REPLY.value)


def _evidence(row: Any) -> str:
    about = f"issue {row.number}" if row.number is not None else "a notice"
    what = Reason(row.reason).word if row.reason else row.kind
    words = row.detail.get("words") or ""
    return f"feedback {row.id}, {about}, {row.happened_at:%Y-%m-%d}: {what}{': ' if words else ''}{words}"


def _in_a_row(session: Session, subscribers: Collection[int]) -> Iterator[int]:
    """Yield those whom the last issues did not reach: so many in a row, over so long a time."""
    soft = EVENT.c.kind == FeedbackKind.SOFT.value
    often = (
        select(EVENT.c.subscriber_id)
        .where(EVENT.c.subscriber_id.in_(subscribers), soft)
        .group_by(EVENT.c.subscriber_id)
        .having(func.count(EVENT.c.issue_id.distinct()) >= SOFT_ISSUES)
    )
    bounced = select(EVENT.c.id).where(EVENT.c.delivery_id == DELIVERY.c.id, soft).exists()
    lifted = _last_lifted(DELIVERY.c.subscriber_id)
    ended = [State.ACCEPTED.value, *sorted(FAILED)]
    query = (
        select(
            DELIVERY.c.subscriber_id,
            DELIVERY.c.state,
            DELIVERY.c.started_at,
            SUBSCRIBER.c.confirmed_at,
            bounced.label("bounced"),
            lifted.label("lifted"),
        )
        .join(ISSUE, ISSUE.c.id == DELIVERY.c.issue_id)
        .join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
        .where(DELIVERY.c.subscriber_id.in_(often), DELIVERY.c.state.in_(ended), DELIVERY.c.started_at.is_not(None))
        .order_by(DELIVERY.c.subscriber_id, ISSUE.c.number.desc())
    )
    for subscriber_id, deliveries in groupby(session.execute(query), key=lambda row: row.subscriber_id):
        streak = []
        for row in deliveries:
            since = max((moment for moment in (row.confirmed_at, row.lifted) if moment), default=None)
            if row.state == State.ACCEPTED or (since and row.started_at < since):
                break
            if row.bounced:  # another failure is ours, and says nothing
                streak.append(row.started_at)
        if len(streak) >= SOFT_ISSUES and streak[0] - streak[-1] >= SOFT_SPAN:
            yield subscriber_id


def _last_lifted(subscriber: Any) -> Any:
    other = EVENT.alias()
    is_lifted = other.c.subscriber_id == subscriber, other.c.kind == FeedbackKind.LIFTED.value
    return select(func.max(other.c.happened_at)).where(*is_lifted).scalar_subquery()


def _refused_often(session: Session, subscribers: Collection[int]) -> Iterator[int]:
    """Yield those whose last notices were refused as having no mailbox: so many, over so long a time."""
    other = NOTICE.alias()
    is_accepted = other.c.subscriber_id == EVENT.c.subscriber_id, other.c.state == State.ACCEPTED.value
    accepted = select(func.max(other.c.settled_at)).where(*is_accepted).scalar_subquery()
    query = (
        select(EVENT.c.subscriber_id, func.min(EVENT.c.happened_at), func.max(EVENT.c.happened_at))
        .join(NOTICE, NOTICE.c.id == EVENT.c.notice_id)
        .join(SUBSCRIBER, and_(SUBSCRIBER.c.id == EVENT.c.subscriber_id, SUBSCRIBER.c.address == NOTICE.c.address))
        .where(EVENT.c.subscriber_id.in_(subscribers), EVENT.c.kind == FeedbackKind.HARD.value)
        .where(EVENT.c.source == EventSource.REPLY.value)
        .where(
            *(
                or_(since.is_(None), EVENT.c.happened_at > since)
                for since in (accepted, _last_lifted(EVENT.c.subscriber_id))
            )
        )
        .group_by(EVENT.c.subscriber_id)
        .having(func.count() >= REFUSED_NOTICES)
    )
    for subscriber_id, first, last in session.execute(query):
        if last - first >= REFUSED_SPAN:
            yield subscriber_id


def _hold_doubtful(session: Session, issues: Collection[int], limits: BreakerLimits) -> None:
    """Hold issues that too many complain of, or of whose readers too many were refused; once, until released.

    The breaker has looked at large issues while they were sent; a small one can end before it could.
    """
    replied = select(EVENT.c.issue_id).where(
        _WAITS, EVENT.c.issue_id.in_(issues), EVENT.c.source == EventSource.REPLY.value
    )
    ended = and_(ISSUE.c.state == IssueState.SENT.value, ISSUE.c.id.in_(replied))
    refusals = and_(EVENT.c.kind == FeedbackKind.HARD.value, EVENT.c.source == EventSource.REPLY.value, ended)
    for which, reason in (
        (EVENT.c.kind == FeedbackKind.COMPLAINT.value, _complaints),
        (refusals, partial(_refusals, limits=limits)),
    ):
        query = (
            select(ISSUE.c.id, func.count(EVENT.c.delivery_id.distinct()).label("count"))
            .join(EVENT, EVENT.c.issue_id == ISSUE.c.id)
            .outerjoin(BREAKER, BREAKER.c.issue_id == ISSUE.c.id)
            .where(~ISSUE.c.held, ISSUE.c.id.in_(issues), which)
            .where(or_(BREAKER.c.since.is_(None), EVENT.c.happened_at > BREAKER.c.since))
            .group_by(ISSUE.c.id)
        )
        for row in session.execute(query).all():
            if why := reason(session, row):
                operations.hold(session, row.id, why)


def _complaints(session: Session, row: Any) -> str:
    accepted = _accepted(session, row.id, max(COMPLAINTS_OF, int(row.count / COMPLAINTS) + 1))
    if accepted < COMPLAINTS_OF or row.count <= COMPLAINTS * accepted:
        return ""
    return f"{row.count} of {accepted} readers marked it as spam; mailbox providers block senders from {COMPLAINTS:.1%}"


def _refusals(session: Session, row: Any, limits: BreakerLimits) -> str:
    accepted = _accepted(session, row.id, int(row.count / max(limits.rejected, 1e-3)) + 1)
    if row.count < _LEAST_REFUSED or row.count <= limits.rejected * (accepted + row.count):
        return ""
    return (
        f"{row.count} of {accepted + row.count} mailboxes do not exist, according to the relay. A release "
        "suppresses them"
    )


def _accepted(session: Session, issue_id: int, enough: int) -> int:
    some = select(DELIVERY.c.id).where(DELIVERY.c.issue_id == issue_id, DELIVERY.c.state == State.ACCEPTED.value)
    return int(session.execute(select(func.count()).select_from(some.limit(enough).subquery())).scalar_one())
