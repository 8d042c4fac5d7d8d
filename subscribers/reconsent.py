"""Renewal of old consent by the subscriber's answer to a mail that asks for it."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from subscribers import consent, store
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import LinkInvalidError
from subscribers.links import LinkPayload
from subscribers.models import ConsentEvent, Subscriber, SubscriberState


def keep(session: Session, payload: LinkPayload, *, now: datetime, wording: str = "") -> Subscriber:
    """Renew the consent of the subscriber whom the link names, and return them. Safe to repeat.

    Raises LinkInvalidError if there was no such question, or they have unsubscribed since.
    """
    person = store.by_ref(session, payload.ref)
    if person is None:
        raise LinkInvalidError
    person = store.lock(session, person)
    events = store.events(session, person)
    asked = consent.was_requested(events, ConsentKind.ASKED, payload.extra)
    if person.state != SubscriberState.CONFIRMED or not asked:
        raise LinkInvalidError
    if not was_kept(events, payload.extra):
        person.confirmed_at = now
        session.add(person)
        detail = {"request": payload.extra, "kept": True}
        consent.record(session, person, ConsentKind.CONFIRMED, ConsentMethod.PAGE, now, wording=wording, detail=detail)
    return person


def was_kept(events: Sequence[ConsentEvent], request: str) -> bool:
    """Return whether the question with this request has been answered."""
    return any(event.kind == ConsentKind.CONFIRMED and event.detail.get("request") == request for event in events)
