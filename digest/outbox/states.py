"""The states of a delivery: one table of allowed moves, and the sets that other code asks about. Pure."""

from enum import StrEnum


class State(StrEnum):
    """Where a delivery (or notice) is. Every planned one is in exactly one of these."""

    PENDING = "pending"
    STARTED = "started"
    DEFERRED = "deferred"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"


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
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
    State.SKIPPED: frozenset(),
    State.CANCELLED: frozenset(),
}

DUE = frozenset({State.PENDING, State.DEFERRED})
UNFINISHED = frozenset({State.PENDING, State.DEFERRED, State.STARTED})
TERMINAL = frozenset(s for s, nexts in MOVES.items() if not nexts)


NEEDS_A_PERSON = (State.REJECTED, State.UNCERTAIN, State.EXPIRED)
"""Nothing of the program's own will change these: a person decides what becomes of them."""
TO_LOOK_AT = (State.DEFERRED, *NEEDS_A_PERSON)
"""What a command that delivered once points out: also what is put off, which only a later call tries again."""


class SkipReason(StrEnum):
    """Why a planned delivery was skipped, or a subscriber excluded at planning."""

    UNCONFIRMED = "unconfirmed"
    UNSUBSCRIBED = "unsubscribed"
    ERASED = "erased"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    FREQUENCY = "frequency"
    EMPTY = "empty"


def may_move(old: State, new: State) -> bool:
    """Return whether a delivery may go from `old` to `new`."""
    return new in MOVES[old]
