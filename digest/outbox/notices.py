"""Notices: mail outside of issues, with attempts and outcomes like deliveries, and their own eligibility check."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from digest.outbox.dialects import insert_new
from digest.outbox.states import SkipReason, State
from digest.outbox.tables import IS_DUE, NOTICE, SUBSCRIBER, SUPPRESSION, Promised
from digest.outbox.take import Started, Taker, Window, skip, start
from digest.render.notice_kind import NoticeKind
from subscribers.suppression import PERSONAL

MOVED = "the address was changed"


@dataclass(slots=True)  # each mail makes one: not frozen
class TakenNotice(Started):
    """A started notice. `ref` is the subscriber's, None for mail to others."""

    kind: str
    key: str
    address: str
    name: str
    language: str
    context: Mapping[str, Any]
    ref: str | None


def promise(
    session: Session,
    kind: str,
    key: str,
    *,
    address: str,
    language: str,
    now: datetime,
    name: str = "",
    context: Mapping[str, Any] | None = None,
    subscriber_id: int | None = None,
) -> None:
    """Promise a notice, in the caller's transaction. Repeating kind and key changes nothing."""
    row = {
        "kind": kind,
        "key": key,
        "address": address,
        "name": name,
        "language": language,
        "context": dict(context or {}),
        "subscriber_id": subscriber_id,
        "state": State.PENDING.value,
        "reason": "",
        "due_at": now,
        "attempts": 0,
        "created_at": now,
    }
    session.execute(insert_new(session, NOTICE).values(row))


def objection(kind: str, state: str | None, suppressed: str | None = None) -> str:
    """Return why this kind of notice must not go to a person in `state` (None: no subscriber); empty if it may.

    `suppressed` is the reason for which their address is on the never-send list, if it is.
    """
    spec = NoticeKind.spec_of(kind)
    if spec.spares_suppressed and suppressed is not None and suppressed not in PERSONAL:
        return SkipReason.SUPPRESSED.value
    if spec.sent_to is None or state in spec.sent_to:
        return ""
    return f"the person is {state or 'not on the list'}"


def take_notices(session: Session, taker: Taker, *, limit: int, now: datetime) -> Window[TakenNotice]:
    """Start up to `limit` due notices, as `take` does; the caller commits before anything is sent."""
    due = session.execute(
        select(NOTICE)
        .where(IS_DUE, NOTICE.c.due_at <= now)
        .order_by(NOTICE.c.due_at, NOTICE.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    ids = [row.subscriber_id for row in due if row.subscriber_id is not None]
    people = {
        row.id: row
        for row in session.execute(
            select(SUBSCRIBER.c.id, SUBSCRIBER.c.state, SUBSCRIBER.c.ref, SUBSCRIBER.c.address, SUPPRESSION.c.reason)
            .select_from(SUBSCRIBER.outerjoin(SUPPRESSION, SUPPRESSION.c.key == SUBSCRIBER.c.suppression_key))
            .where(SUBSCRIBER.c.id.in_(ids))
            .order_by(SUBSCRIBER.c.id)
            .with_for_update(read=True, of=SUBSCRIBER)
        )
    }
    refused, wanted, refs = {}, [], {}
    for row in due:
        person = people.get(row.subscriber_id)
        refs[row.id] = person.ref if person else None
        if not row.address:  # erased while an attempt was on the wire, and put off by the server since
            refused[row.id] = SkipReason.ERASED.value
        elif why := objection(row.kind, person.state if person else None, person.reason if person else None):
            refused[row.id] = why
        elif NoticeKind.spec_of(row.kind).only_to_present_address and person and row.address != person.address:
            refused[row.id] = MOVED
        else:
            wanted.append(row)
    skip(session, Promised.NOTICE, refused, now)
    started = start(session, Promised.NOTICE, wanted, taker, now)
    taken = [
        TakenNotice(*one.values, row.kind, row.key, row.address, row.name, row.language, row.context, refs[row.id])
        for one, row in zip(started, wanted, strict=True)
    ]
    return Window(tuple(taken), len(refused))
