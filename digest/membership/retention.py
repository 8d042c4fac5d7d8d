"""Retention of personal data by the rules of `[retention]`: counting what is due, and applying it.

Rules may be applied at any time, and by several machines at once.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlmodel import Session, SQLModel, col

from digest.accounts.models import AuditEntry
from digest.membership import reconsent
from digest.membership.context import MembershipContext
from digest.membership.erasure import forget
from digest.membership.notices import goodbye
from digest.outbox.states import TERMINAL, UNFINISHED, State
from digest.outbox.tables import ATTEMPT, NOTICE, SUBSCRIBER
from digest.render.notice_kind import NoticeKind
from digest.runtime.atomic_file import private_folder, write_private
from digest.runtime.db import session_scope
from subscribers import preferences, store
from subscribers.consent import ConsentMethod
from subscribers.models import SubscriberState
from subscribers.transfer.bulk import CONSENT_EVENT

BATCH = 500
_AUDIT = SQLModel.metadata.tables["audit_entry"]
_OPEN = [state.value for state in UNFINISHED]
# A question counts once the server accepted it or refused it for good; else it is asked again.
_PUT = [State.ACCEPTED.value, State.REJECTED.value, State.UNCERTAIN.value]
_OVER = sorted({state.value for state in TERMINAL} | {State.ACCEPTED.value})


@dataclass(frozen=True, slots=True)
class RetentionDue:
    """Numbers of subscribers to erase, to ask again and to end, and of texts to empty and audit entries to delete."""

    pending_forgotten: int = 0
    asked_again: int = 0
    unanswered: int = 0
    replies_emptied: int = 0
    notices_emptied: int = 0
    audit_forgotten: int = 0

    @property
    def anything(self) -> bool:
        """Whether there is something to do."""
        return any(asdict(self).values())


def due(context: MembershipContext, now: datetime) -> RetentionDue:
    """Count what the rules require, without changes."""
    rules = context.settings.retention
    with session_scope(context.engine, read_only=True) as session:
        return RetentionDue(
            _rows(session, SUBSCRIBER, _never_confirmed(now, rules.pending_days)) if rules.pending_days else 0,
            reconsent.count(session, _question(context, now)) if rules.reconsent_months else 0,
            _rows(session, SUBSCRIBER, _unanswered(now, rules.answer_days)) if rules.reconsent_months else 0,
            _rows(session, ATTEMPT, _old_replies(now, rules.reply_days)) if rules.reply_days else 0,
            _rows(session, NOTICE, _old_notices(now, rules.reply_days)) if rules.reply_days else 0,
            _rows(session, _AUDIT, _old_entries(now, rules.audit_days)) if rules.audit_days else 0,
        )


def apply(
    context: MembershipContext, now: datetime, progress: Callable[[int], None] = lambda _done: None
) -> RetentionDue:
    """Apply the rules in short transactions; return what was done."""
    rules = context.settings.retention
    pending = unanswered = replies = emptied = asked = forgotten = 0
    if rules.pending_days:
        pending = _forget_all(context, _never_confirmed(now, rules.pending_days), now, progress, remember_hash=False)
    if rules.reconsent_months:
        ending = _unanswered(now, rules.answer_days)
        if rules.unanswered == "erase":
            unanswered = _forget_all(context, ending, now, progress, remember_hash=True)
        else:
            unanswered = _unsubscribe_all(context, ending, now, progress)
        asked = reconsent.ask(context, _question(context, now), progress).asked
    if rules.reply_days:
        replies = _empty(context, ATTEMPT, _old_replies(now, rules.reply_days), {"reply": ""})
        nothing: dict[str, object] = {"address": "", "name": "", "context": {}}
        emptied = _empty(context, NOTICE, _old_notices(now, rules.reply_days), nothing)
    if rules.audit_days:
        with session_scope(context.engine) as session:
            deleted: Any = session.execute(delete(_AUDIT).where(_old_entries(now, rules.audit_days)))
            forgotten = int(deleted.rowcount)
    return RetentionDue(pending, asked, unanswered, replies, emptied, forgotten)


def apply_once_a_day(context: MembershipContext) -> RetentionDue | None:
    """Apply the rules, unless this machine has done so today; then return None."""
    now = context.clock.now()
    today = now.astimezone(context.settings.publication.zone).date()
    marker = context.settings.workspace / ".state" / "retention.json"
    if _last(marker) == today:
        return None
    done = apply(context, now)
    private_folder(marker.parent)
    write_private(marker, json.dumps({"day": today.isoformat(), **asdict(done)}).encode())
    return done


def _last(marker: Any) -> date | None:
    try:
        return date.fromisoformat(json.loads(marker.read_text(encoding="utf-8"))["day"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _question(context: MembershipContext, now: datetime) -> reconsent.Question:
    return reconsent.reconsent(context, now - relativedelta(months=context.settings.retention.reconsent_months))


def _never_confirmed(now: datetime, days: int) -> ColumnElement[bool]:
    """Subscribers who have been pending for so many days since their last event or mail."""
    before = now - timedelta(days=days)
    lately = exists().where(CONSENT_EVENT.c.subscriber_id == SUBSCRIBER.c.id, CONSENT_EVENT.c.happened_at >= before)
    mail = exists().where(
        NOTICE.c.subscriber_id == SUBSCRIBER.c.id, or_(NOTICE.c.state.in_(_OPEN), NOTICE.c.settled_at >= before)
    )
    return and_(
        SUBSCRIBER.c.state == SubscriberState.PENDING.value,
        SUBSCRIBER.c.created_at < before,
        ~lately.correlate(SUBSCRIBER),
        ~mail.correlate(SUBSCRIBER),
    )


def _unanswered(now: datetime, days: int) -> ColumnElement[bool]:
    """Subscribers who were asked again and have not answered for so many days since the mail."""
    since = func.coalesce(SUBSCRIBER.c.confirmed_at, SUBSCRIBER.c.created_at)
    asked = exists().where(
        NOTICE.c.subscriber_id == SUBSCRIBER.c.id,
        NOTICE.c.kind == NoticeKind.RECONSENT,
        NOTICE.c.state.in_(_PUT),
        NOTICE.c.created_at > since,
        func.coalesce(NOTICE.c.settled_at, NOTICE.c.due_at) < now - timedelta(days=days),
    )
    return and_(SUBSCRIBER.c.state == SubscriberState.CONFIRMED.value, asked.correlate(SUBSCRIBER))


def _old_replies(now: datetime, days: int) -> ColumnElement[bool]:
    return and_(ATTEMPT.c.reply != "", ATTEMPT.c.started_at < now - timedelta(days=days))


def _old_notices(now: datetime, days: int) -> ColumnElement[bool]:
    settled = func.coalesce(NOTICE.c.settled_at, NOTICE.c.due_at) < now - timedelta(days=days)
    return and_(NOTICE.c.address != "", NOTICE.c.state.in_(_OVER), settled)


def _old_entries(now: datetime, days: int) -> ColumnElement[bool]:
    return col(AuditEntry.at) < now - timedelta(days=days)


def _rows(session: Session, table: Any, which: ColumnElement[bool]) -> int:
    number: int = session.execute(select(func.count()).select_from(table).where(which)).scalar_one()
    return number


def _ids(context: MembershipContext, who: ColumnElement[bool], after: int) -> Sequence[int]:
    with session_scope(context.engine, read_only=True) as session:
        query = select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.id > after, who).order_by(SUBSCRIBER.c.id).limit(BATCH)
        return session.execute(query).scalars().all()


def _each(
    context: MembershipContext,
    who: ColumnElement[bool],
    act: Callable[[Session, Any], bool],
    progress: Callable[[int], None],
) -> int:
    """Apply `act` to each of these subscribers, locked and checked again; return how often it returned true."""
    done, after = 0, 0
    while ids := _ids(context, who, after):
        with session_scope(context.engine) as session:
            for of_id in ids:
                person = store.by_id(session, of_id)
                still = session.execute(select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.id == of_id, who)).first()
                done += person is not None and still is not None and act(session, person)
        after = ids[-1]
        progress(done)
    return done


def _forget_all(
    context: MembershipContext,
    who: ColumnElement[bool],
    now: datetime,
    progress: Callable[[int], None],
    *,
    remember_hash: bool,
) -> int:
    secret = context.settings.suppression_key
    erase = partial(preferences.erase, method=ConsentMethod.RETENTION, now=now, secret=secret, forget=forget)
    return _each(context, who, partial(erase, remember_hash=remember_hash), progress)


def _unsubscribe_all(
    context: MembershipContext, who: ColumnElement[bool], now: datetime, progress: Callable[[int], None]
) -> int:
    secret, answer = context.settings.suppression_key, partial(goodbye, context.dispatcher)
    unsubscribe = partial(preferences.unsubscribe, method=ConsentMethod.RETENTION, now=now, secret=secret)
    return _each(context, who, partial(unsubscribe, on_unsubscribed=answer), progress)


def _empty(context: MembershipContext, table: Any, which: ColumnElement[bool], values: dict[str, object]) -> int:
    done, number = 0, -1
    some = select(table.c.id).where(which).limit(10 * BATCH)
    while number:
        with session_scope(context.engine) as session:
            changed: Any = session.execute(update(table).where(table.c.id.in_(some)).values(values))
        number = int(changed.rowcount)
        done += number
    return done
