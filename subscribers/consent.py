"""What a person agreed to: the allowed moves between states, and the append-only proof of each."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session

from subscribers.errors import ConsentRefusedError
from subscribers.models import ConsentEvent, Subscriber, SubscriberState


class ConsentKind(StrEnum):
    """What happened."""

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
    """By which way it happened."""

    PAGE = "page"
    ONE_CLICK = "one-click"
    IMPORT = "import"
    COMMAND = "command"
    RETENTION = "retention"


# A person's own hand, as opposed to a file or a command of the publisher.
BY_THE_PERSON = (ConsentMethod.PAGE, ConsentMethod.ONE_CLICK)

MOVES: Mapping[SubscriberState, frozenset[SubscriberState]] = {
    SubscriberState.PENDING: frozenset(
        {SubscriberState.CONFIRMED, SubscriberState.UNSUBSCRIBED, SubscriberState.ERASED}
    ),
    SubscriberState.CONFIRMED: frozenset({SubscriberState.UNSUBSCRIBED, SubscriberState.ERASED}),
    # Back to confirmed only by the person: signup.confirm and preferences.resubscribe are the two callers.
    SubscriberState.UNSUBSCRIBED: frozenset({SubscriberState.CONFIRMED, SubscriberState.ERASED}),
    SubscriberState.ERASED: frozenset(),
}


def move(subscriber: Subscriber, to: SubscriberState) -> None:
    """Set the state; raise ConsentRefusedError for a move that no rule allows."""
    state = SubscriberState(subscriber.state)
    if to not in MOVES[state]:
        raise ConsentRefusedError(f"A subscriber who is {state} cannot become {to}")
    subscriber.state = to


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
    """Append the proof, in the caller's transaction, and return it. The subscriber must have its id."""
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
