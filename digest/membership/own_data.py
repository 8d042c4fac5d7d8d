"""Export of all data about one person, for `digest subscribers show` and for their own download.

The link to the download is mailed to their address, because a link to the preferences page may have been forwarded.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session

from digest.feedback.models import EVENT as FEEDBACK_EVENT
from digest.membership.context import MembershipContext
from digest.outbox import notices
from digest.outbox.tables import ATTEMPT, DELIVERY, EDITION, ISSUE, NOTICE
from digest.render.notice_kind import NoticeKind
from subscribers import store
from subscribers.address import EmailAddress
from subscribers.address_change import ChangeState
from subscribers.errors import SubscriberNotFoundError
from subscribers.models import Subscriber
from subscribers.transfer.exporter import show_person


def data_at(session: Session, address: str) -> Mapping[str, Any]:
    """Return all data about the subscriber at `address`. Raises SubscriberNotFoundError and AddressError."""
    person = store.by_key(session, EmailAddress.parse(address).key)
    if person is None:
        raise SubscriberNotFoundError(f"There is no subscriber with the address {address}")
    return own_data(session, person)


def data_due(context: MembershipContext, session: Session, person: Subscriber) -> None:
    """Promise the mail with the link to a person's data, one a day: others may hold a forwarded link."""
    context.dispatcher.announce(session, None)
    now = context.clock.now()
    notices.promise(
        session,
        NoticeKind.OWN_DATA,
        f"{person.ref}:{now.astimezone(UTC).date()}",
        address=person.address,
        name=person.name,
        language=person.language,
        now=now,
        subscriber_id=person.id,
    )


def own_data(session: Session, person: Subscriber) -> Mapping[str, Any]:
    """Return all data about a subscriber, ready for JSON."""
    data = show_person(session, person)
    named = {words for event in data["consent"] for words in (event["wording"], event["detail"].get("consent"))}
    versions = sorted(filter(None, named))
    return {
        **data,
        "wordings": store.wordings(session, versions),
        "address_changes": [
            {"address": change.address, "requested_at": change.requested_at.isoformat()}
            for change in store.changes_of(session, person)
            if change.state == ChangeState.ASKED
        ],
        "issues": _issues(session, person),
        "notices": _notices(session, person),
        "feedback": _feedback(session, person),
    }


def _issues(session: Session, person: Subscriber) -> list[dict[str, object]]:
    columns = (DELIVERY.c.id, ISSUE.c.number, ISSUE.c.period, EDITION.c.subject, DELIVERY.c.state, DELIVERY.c.reason)
    deliveries = session.execute(
        select(*columns, DELIVERY.c.created_at, DELIVERY.c.settled_at)
        .join(ISSUE, ISSUE.c.id == DELIVERY.c.issue_id)
        .join(EDITION, EDITION.c.id == DELIVERY.c.edition_id)
        .where(DELIVERY.c.subscriber_id == person.id)
        .order_by(ISSUE.c.number)
    ).all()
    tries: dict[int, list[dict[str, object]]] = {}
    attempts = session.execute(
        select(ATTEMPT)
        .where(ATTEMPT.c.delivery_id.in_([row.id for row in deliveries]))
        .order_by(ATTEMPT.c.started_at, ATTEMPT.c.id)
    )
    for attempt in attempts:
        result = {name: getattr(attempt, name) for name in ("outcome", "code", "enhanced", "reply", "relay")}
        tries.setdefault(attempt.delivery_id, []).append({"at": _text(attempt.started_at), **result})
    return [
        {
            **{name: getattr(row, name) for name in ("number", "period", "subject", "state", "reason")},
            "planned_at": _text(row.created_at),
            "settled_at": _text(row.settled_at),
            "attempts": tries.get(row.id, []),
        }
        for row in deliveries
    ]


def _notices(session: Session, person: Subscriber) -> list[dict[str, object]]:
    # Without mails to a new address, which would reveal whether another subscriber has it; the request is listed.
    rows = session.execute(
        select(NOTICE.c.kind, NOTICE.c.state, NOTICE.c.created_at, NOTICE.c.settled_at)
        .where(NOTICE.c.subscriber_id == person.id, NOTICE.c.kind != NoticeKind.ADDRESS)
        .order_by(NOTICE.c.id)
    )
    return [
        {"kind": row.kind, "state": row.state, "created_at": _text(row.created_at), "settled_at": _text(row.settled_at)}
        for row in rows
    ]


def _feedback(session: Session, person: Subscriber) -> list[dict[str, object]]:
    theirs = select(DELIVERY.c.id).where(DELIVERY.c.subscriber_id == person.id)
    about = or_(FEEDBACK_EVENT.c.subscriber_id == person.id, FEEDBACK_EVENT.c.delivery_id.in_(theirs))
    rows = session.execute(select(FEEDBACK_EVENT).where(about).order_by(FEEDBACK_EVENT.c.id)).all()
    return [
        {"kind": row.kind, "detail": row.detail, "sample": row.sample, "at": _text(row.happened_at)} for row in rows
    ]


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
