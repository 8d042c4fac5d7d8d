"""Consent: allowed transitions between subscriber states, and the append-only log that proves each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from subscribers.errors import ConsentRefusedError
from subscribers.models import ConsentEvent, Subscriber, SubscriberState


class ConsentKind(StrEnum):
    """Kind of a consent event."""

    REQUESTED = "requested"
    ASKED = "asked"
    IMPORTED = "imported"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    ADDRESS_ASKED = "address-asked"
    ADDRESS_CHANGED = "address-changed"
    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"


class ConsentMethod(StrEnum):
    """Channel of a consent event."""

    PAGE = "page"
    ONE_CLICK = "one-click"
    IMPORT = "import"
    COMMAND = "command"
    RETENTION = "retention"


# Acts of the subscriber, as opposed to files and commands of the publisher.
BY_THE_PERSON = (ConsentMethod.PAGE, ConsentMethod.ONE_CLICK)

MOVES: Mapping[SubscriberState, frozenset[SubscriberState]] = {
    SubscriberState.PENDING: frozenset(SubscriberState) - {SubscriberState.PENDING},
    SubscriberState.CONFIRMED: frozenset({SubscriberState.UNSUBSCRIBED, SubscriberState.ERASED}),
    # Back to confirmed only by the subscriber: signup.confirm and preferences.resubscribe are the two callers.
    SubscriberState.UNSUBSCRIBED: frozenset({SubscriberState.CONFIRMED, SubscriberState.ERASED}),
    SubscriberState.ERASED: frozenset(),
}


def move(subscriber: Subscriber, to: SubscriberState) -> None:
    """Set the state. Raises ConsentRefusedError for a transition that is not in MOVES."""
    state = SubscriberState(subscriber.state)
    if to not in MOVES[state]:
        raise ConsentRefusedError(f"A subscriber who is {state} cannot become {to}")
    subscriber.state = to


def since_left(events: Sequence[ConsentEvent]) -> Sequence[ConsentEvent]:
    """Return the events after the last unsubscribe or erasure."""
    left = [at for at, event in enumerate(events) if event.kind in {ConsentKind.UNSUBSCRIBED, ConsentKind.ERASED}]
    return events[left[-1] + 1 :] if left else events


def was_requested(events: Sequence[ConsentEvent], kind: ConsentKind, request: str) -> bool:
    """Return whether there is an event of this kind with this request since the last unsubscribe."""
    asked = (event.detail.get("request") for event in since_left(events) if event.kind == kind)
    return bool(request) and request in asked


def record(
    session: Session,
    subscriber: Subscriber,
    kind: ConsentKind,
    method: ConsentMethod,
    now: datetime,
    *,
    wording: str = "",
    detail: Mapping[str, Any] | None = None,
) -> ConsentEvent:
    """Append a consent event, in the caller's transaction, and return it. The subscriber must have an id."""
    if subscriber.id is None:
        raise ValueError("a consent event needs a subscriber that is in the database")
    event = ConsentEvent(
        subscriber_id=subscriber.id,
        kind=kind,
        method=method,
        wording=wording,
        detail=dict(detail or {}),
        happened_at=now,
    )
    session.add(event)
    return event
