"""Consent that has become old is asked for again; only the person's own answer renews it."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from subscribers import consent, store
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import LinkInvalidError
from subscribers.links import LinkPayload
from subscribers.models import ConsentEvent, Subscriber, SubscriberState


def keep(session: Session, payload: LinkPayload, *, now: datetime, wording: str = "") -> Subscriber:
    """Renew the consent of who was asked, by their own hand, and return them; the second time changes nothing.

    Raises LinkInvalidError when nobody was asked so, or they have left since.
    """
    person = store.by_ref(session, payload.ref)
    if person is None:
        raise LinkInvalidError
    person = store.lock(session, person)
    events = store.events(session, person)
    if person.state != SubscriberState.CONFIRMED or not _was_asked(events, payload.extra):
        raise LinkInvalidError
    if not was_kept(events, payload.extra):
        person.confirmed_at = now
        session.add(person)
        detail = {"request": payload.extra, "kept": True}
        consent.record(session, person, ConsentKind.CONFIRMED, ConsentMethod.PAGE, now, wording=wording, detail=detail)
    return person


def _was_asked(events: Sequence[ConsentEvent], request: str) -> bool:
    left = {ConsentKind.UNSUBSCRIBED, ConsentKind.ERASED}
    last = max((at for at, event in enumerate(events) if event.kind in left), default=-1)
    return any(
        event.kind == ConsentKind.ASKED and request and event.detail.get("request") == request
        for event in events[last + 1 :]
    )


def was_kept(events: Sequence[ConsentEvent], request: str) -> bool:
    """Say whether the question with this request has been answered."""
    return any(event.kind == ConsentKind.CONFIRMED and event.detail.get("request") == request for event in events)
