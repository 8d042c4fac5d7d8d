"""What becomes of one imported reader, given what we know already. Pure.

A file speaks for the publisher, so the person's own word stands above it: who left stays away, who is on the never-send
list stays there, and what somebody chose with their own hand is not changed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from subscribers.models import Frequency, SubscriberState
from subscribers.rows import ReaderRow
from subscribers.suppression import SuppressionReason

_STATES = {
    "confirmed": SubscriberState.CONFIRMED,
    "pending": SubscriberState.PENDING,
    "unsubscribed": SubscriberState.UNSUBSCRIBED,
}
_SUPPRESSIONS = {"unsubscribed": SuppressionReason.UNSUBSCRIBED, "suppressed": SuppressionReason.MANUAL}


class Action(StrEnum):
    """What an import does about one line."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Present:
    """The reader as the database has them, with the reason they are suppressed for, if they are."""

    id: int
    state: str
    values: dict[str, Any]
    suppressed: str | None
    own_hand: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, the columns to write, the suppression to add, and why a line was not followed."""

    action: Action
    values: dict[str, Any] = field(default_factory=dict)
    suppress: SuppressionReason | None = None
    reason: str = ""


def decide_new(row: ReaderRow, suppressed: str | None, language: str, now: datetime) -> Decision:
    """Decide about an address that nobody has; `language` is for who names none."""
    if suppressed is not None:
        return Decision(Action.KEEP, reason=f"the address is on the never-send list ({suppressed})")
    confirmed = SubscriberState.CONFIRMED if row.confirmed_at else SubscriberState.PENDING
    state = _STATES.get(row.status, confirmed)
    values = {
        "name": row.name or "",
        "interests": "*" if row.interests is None else row.interests,
        "language": row.language or language,
        "format": row.format or "html",
        "frequency": row.frequency or Frequency.EVERY.value,
        "state": state.value,
        "confirmed_at": row.confirmed_at,
        "unsubscribed_at": now if state == SubscriberState.UNSUBSCRIBED else None,
        "paused_until": row.paused_until,
    }
    return Decision(Action.CREATE, values, _SUPPRESSIONS.get(row.status))


def decide_known(row: ReaderRow, present: Present, now: datetime) -> Decision:
    """Decide about an address that somebody has."""
    gone = present.state == SubscriberState.UNSUBSCRIBED
    if row.status == "unsubscribed":
        return Decision(Action.UNCHANGED) if gone else _leave(now)
    if row.status == "suppressed" and present.suppressed is None:
        return Decision(Action.UPDATE, suppress=SuppressionReason.MANUAL)
    if row.status != "suppressed" and gone:
        return Decision(Action.KEEP, reason="they have unsubscribed")
    if row.status != "suppressed" and present.suppressed is not None:
        return Decision(Action.KEEP, reason=f"the address is on the never-send list ({present.suppressed})")
    values = {} if gone else _differences(row, present)
    if values and present.own_hand:
        return Decision(Action.KEEP, reason="they have chosen otherwise themselves")
    if row.status == "confirmed" and present.state == SubscriberState.PENDING:
        values |= {"state": SubscriberState.CONFIRMED.value, "confirmed_at": row.confirmed_at or now}
    return Decision(Action.UPDATE, values) if values else Decision(Action.UNCHANGED)


def _leave(now: datetime) -> Decision:
    values = {"state": SubscriberState.UNSUBSCRIBED.value, "unsubscribed_at": now, "paused_until": None}
    return Decision(Action.UPDATE, values, SuppressionReason.UNSUBSCRIBED)


def _differences(row: ReaderRow, present: Present) -> dict[str, Any]:
    said = {
        name: getattr(row, name)
        for name in ("name", "interests", "language", "format", "frequency")
        if getattr(row, name) is not None
    }
    if row.has_pause:
        said["paused_until"] = row.paused_until
    return {name: value for name, value in said.items() if value != present.values[name]}
