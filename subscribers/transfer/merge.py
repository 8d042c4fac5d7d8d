"""Merging of an imported row with a known subscriber. Pure.

The subscriber's own decisions take precedence over a file: it never undoes an unsubscribe, a suppression or a choice
that they made themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from subscribers.interests import ALL_TEXT, SEPARATOR, split
from subscribers.models import Frequency, SubscriberState
from subscribers.suppression import SuppressionReason
from subscribers.transfer.rows import ReaderRow

_STATES = {
    "confirmed": SubscriberState.CONFIRMED,
    "pending": SubscriberState.PENDING,
    "unsubscribed": SubscriberState.UNSUBSCRIBED,
}
_SUPPRESSIONS = {
    "unsubscribed": SuppressionReason.UNSUBSCRIBED,
    "suppressed": SuppressionReason.MANUAL,
    "bounced": SuppressionReason.HARD_BOUNCE,
    "complained": SuppressionReason.COMPLAINT,
}
_NOBODY = "they never subscribed there"
_UNPROVED = "the file says confirmed but has no date; the reader is pending"


class Action(StrEnum):
    """Action of an import for one line."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    KEEP = "keep"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Present:
    """A subscriber in the database; `suppressed` is the reason, if they are, `own_hand` whether they made a choice."""

    id: int
    state: str
    values: Mapping[str, object]
    suppressed: str | None
    own_hand: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, the columns to write, the suppression to add, and the reason for not following a line."""

    action: Action
    values: Mapping[str, object] = field(default_factory=dict)
    suppress: SuppressionReason | None = None
    reason: str = ""


def decide_new(row: ReaderRow, suppressed: str | None, language: str, now: datetime) -> Decision:
    """Decide about an unknown address; `language` is the default."""
    if suppressed is not None:
        return Decision(Action.KEEP, reason=f"the address is on the never-send list ({suppressed})")
    if row.status == "nobody":
        return Decision(Action.SKIP, reason=_NOBODY)
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
        "unsubscribed_at": (row.unsubscribed_at or now) if state == SubscriberState.UNSUBSCRIBED else None,
        "paused_until": row.paused_until,
        "created_at": row.created_at or now,
    }
    return Decision(Action.CREATE, values, _suppression_of(row), _UNPROVED if row.unproved else "")


def _suppression_of(row: ReaderRow) -> SuppressionReason | None:
    """Return the suppression that the file demands; an export of ours has a column for it."""
    if row.suppressed is not None:
        return SuppressionReason(row.suppressed) if row.suppressed else None
    return _SUPPRESSIONS.get(row.status)


def decide_known(row: ReaderRow, present: Present, now: datetime) -> Decision:
    """Decide about a known address."""
    gone = present.state == SubscriberState.UNSUBSCRIBED
    never = _suppression_of(row)
    if row.status == "nobody":
        decision = Decision(Action.SKIP, reason=_NOBODY)
    elif row.status == "unsubscribed":
        decision = Decision(Action.UNCHANGED) if gone else _leave(row.unsubscribed_at or now)
    elif never is not None and present.suppressed is None:
        decision = Decision(Action.UPDATE, suppress=never)
    elif never is None and gone:
        decision = Decision(Action.KEEP, reason="the reader has unsubscribed")
    elif never is None and present.suppressed is not None:
        decision = Decision(Action.KEEP, reason=f"the address is on the never-send list ({present.suppressed})")
    else:
        decision = _update(row, present, now, gone=gone)
    return decision


def _update(row: ReaderRow, present: Present, now: datetime, *, gone: bool) -> Decision:
    values = {} if gone else _differences(row, present)
    if values and present.own_hand:
        return Decision(Action.KEEP, reason="the reader has chosen otherwise")
    if row.status == "confirmed" and present.state == SubscriberState.PENDING:
        values |= {"state": SubscriberState.CONFIRMED.value, "confirmed_at": row.confirmed_at or now}
    reason = _UNPROVED if row.unproved and present.state == SubscriberState.PENDING else ""
    return Decision(Action.UPDATE if values else Action.UNCHANGED, values, reason=reason)


def with_interests_of(row: ReaderRow, present: Present) -> ReaderRow:
    """Return the row with the subscriber's present interests added: for exports with one file per list."""
    if row.interests is None:
        return row
    both = split(row.interests) | split(str(present.values["interests"]))
    return replace(row, interests=ALL_TEXT if ALL_TEXT in both else SEPARATOR.join(sorted(both)))


def _leave(now: datetime) -> Decision:
    values = {"state": SubscriberState.UNSUBSCRIBED.value, "unsubscribed_at": now, "paused_until": None}
    return Decision(Action.UPDATE, values, SuppressionReason.UNSUBSCRIBED)


def _differences(row: ReaderRow, present: Present) -> dict[str, object]:
    values = {
        name: getattr(row, name)
        for name in ("name", "interests", "language", "format", "frequency")
        if getattr(row, name) is not None
    }
    if row.has_pause:
        values["paused_until"] = row.paused_until
    return {name: value for name, value in values.items() if value != present.values[name]}
