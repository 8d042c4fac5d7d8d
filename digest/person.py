"""Everything about one person, for themselves: what the audience, the outbox and its events hold, ready for JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlmodel import Session

from digest.forgetting import FEEDBACK_EVENT
from digest.outbox.tables import ATTEMPT, DELIVERY, EDITION, ISSUE, NOTICE
from subscribers import store
from subscribers.address import EmailAddress
from subscribers.errors import SubscriberNotFoundError
from subscribers.exporting import show_person
from subscribers.models import Subscriber


def everything(session: Session, address: str) -> dict[str, Any]:
    """Return everything about the person at `address`. Raises SubscriberNotFoundError and AddressError."""
    person = store.by_key(session, EmailAddress.parse(address).key)
    if person is None:
        raise SubscriberNotFoundError(f"There is no subscriber {address}")
    return everything_about(session, person)


def everything_about(session: Session, person: Subscriber) -> dict[str, Any]:
    """Return what the audience knows about a person, with their deliveries, notices and feedback."""
    return {
        **show_person(session, person),
        "deliveries": _deliveries(session, person.id or 0),
        "notices": _notices(session, person.id or 0),
        "feedback": _feedback(session, person.id or 0),
    }


def _deliveries(session: Session, of_id: int) -> list[dict[str, Any]]:
    statement = (
        select(DELIVERY, ISSUE.c.number, EDITION.c.subject, EDITION.c.articles)
        .join(ISSUE, ISSUE.c.id == DELIVERY.c.issue_id)
        .join(EDITION, EDITION.c.id == DELIVERY.c.edition_id)
        .where(DELIVERY.c.subscriber_id == of_id)
        .order_by(DELIVERY.c.id)
    )
    rows = session.execute(statement).all()
    tries = _attempts(session, ATTEMPT.c.delivery_id, [row.id for row in rows])
    return [
        {"issue": row.number, "subject": row.subject, "articles": row.articles, **_promise(row, tries.get(row.id, []))}
        for row in rows
    ]


def _notices(session: Session, of_id: int) -> list[dict[str, Any]]:
    rows = session.execute(select(NOTICE).where(NOTICE.c.subscriber_id == of_id).order_by(NOTICE.c.id)).all()
    tries = _attempts(session, ATTEMPT.c.notice_id, [row.id for row in rows])
    return [
        {"kind": row.kind, "address": row.address, "name": row.name, **_promise(row, tries.get(row.id, []))}
        for row in rows
    ]


def _promise(row: Any, attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "state": row.state,
        "reason": row.reason,
        "planned_at": _written(row.created_at),
        "due_at": _written(row.due_at),
        "settled_at": _written(row.settled_at),
        "attempts": list(attempts),
    }


def _attempts(session: Session, of: ColumnElement[Any], ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    statement = select(ATTEMPT, of.label("of")).where(of.in_(ids)).order_by(ATTEMPT.c.started_at)
    for row in session.execute(statement):
        said = {name: getattr(row, name) for name in ("outcome", "code", "enhanced", "reply", "relay")}
        at = {"started_at": _written(row.started_at), "ended_at": _written(row.ended_at)}
        found.setdefault(row.of, []).append(at | said)
    return found


def _feedback(session: Session, of_id: int) -> list[dict[str, Any]]:
    theirs = select(DELIVERY.c.id).where(DELIVERY.c.subscriber_id == of_id)
    about = or_(FEEDBACK_EVENT.c.subscriber_id == of_id, FEEDBACK_EVENT.c.delivery_id.in_(theirs))
    rows = session.execute(select(FEEDBACK_EVENT).where(about).order_by(FEEDBACK_EVENT.c.id)).all()
    return [{"kind": row.kind, "detail": row.detail, "at": _written(row.happened_at)} for row in rows]


def _written(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
