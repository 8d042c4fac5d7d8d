"""Delivery states: the table of allowed transitions, and the sets that other code needs. Pure."""

from enum import StrEnum
from functools import cache


class State(StrEnum):
    """State of a delivery or notice. Every planned one is in exactly one of these."""

    PENDING = "pending"
    STARTED = "started"
    DEFERRED = "deferred"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"


class Outcome(StrEnum):
    """How an attempt ended. Every attempt ends in exactly one of these."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    NOT_SENT = "not_sent"  # certainly ended before the envelope


MOVES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.STARTED, State.SKIPPED, State.CANCELLED, State.EXPIRED}),
    # back to pending only as not_sent: the attempt ended before the envelope
    # expired: put off once more, at the end of our patience
    State.STARTED: frozenset(
        {State.ACCEPTED, State.DEFERRED, State.REJECTED, State.EXPIRED, State.UNCERTAIN, State.PENDING}
    ),
    State.DEFERRED: frozenset({State.STARTED, State.SKIPPED, State.CANCELLED, State.EXPIRED, State.PENDING}),
    # a zombie's late settle, evidence (reconcile) or a person's resend resolve it; a clock never does
    State.UNCERTAIN: frozenset(
        {State.ACCEPTED, State.DEFERRED, State.REJECTED, State.EXPIRED, State.PENDING, State.CANCELLED}
    ),
    # a bounce may tell later that what the relay accepted was refused further on
    State.ACCEPTED: frozenset({State.REJECTED}),
    # a person's retry, when the relay that refused it is repaired
    State.REJECTED: frozenset({State.PENDING}),
    State.EXPIRED: frozenset(),
    State.SKIPPED: frozenset(),
    State.CANCELLED: frozenset(),
}

# A restored database has lost what was sent since its backup: whatever was on its way may have gone.
RESTORE_MOVES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.UNCERTAIN}),
    State.DEFERRED: frozenset({State.UNCERTAIN}),
    State.STARTED: frozenset({State.UNCERTAIN}),
}

DUE = frozenset({State.PENDING, State.DEFERRED})
UNFINISHED = frozenset({State.PENDING, State.DEFERRED, State.STARTED})
TERMINAL = frozenset({State.REJECTED, *(state for state, following in MOVES.items() if not following)})
"""States that nothing but a person's retry leaves."""


class DeliveryMoveError(ValueError):
    """The table of allowed moves does not have this one."""


FAILED = frozenset({State.REJECTED, State.EXPIRED})
NEEDS_A_PERSON = (State.REJECTED, State.UNCERTAIN, State.EXPIRED)
"""States that never change by themselves: a person decides."""
TO_LOOK_AT = (State.DEFERRED, *NEEDS_A_PERSON)
"""States that a command that delivered once reports: also deferred, which only a later call tries again."""


class SkipReason(StrEnum):
    """Why a planned delivery was skipped, or a subscriber excluded at planning."""

    UNCONFIRMED = "unconfirmed"
    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    FREQUENCY = "frequency"
    EMPTY = "empty"
    UNAFFECTED = "unaffected"


def may_move(old: State, new: State) -> bool:
    return new in MOVES[old]


@cache
def moves_to(new: State, *old: State, restored: bool = False) -> tuple[str, ...]:
    """Return `old` as values for the WHERE clause of an UPDATE to `new`, in the order of `State`.

    Every statement that changes a state is built with it. Raises DeliveryMoveError for a transition that is not in the
    table (or, with `restored`, in that of a restore). An uncertain one may become uncertain once more.
    """
    for state in old:
        lost = restored and new in RESTORE_MOVES.get(state, ())
        if not (lost or may_move(state, new) or state is new is State.UNCERTAIN):
            raise DeliveryMoveError(f"a delivery cannot change from {state} to {new}")
    return tuple(state.value for state in State if state in old)
