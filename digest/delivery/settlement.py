"""Settlement of an attempt: from the server's reply to the outbox's states. Pure."""

from datetime import datetime

from digest.delivery.outcome import REMEDIES, Reason
from digest.delivery.retry import next_try
from digest.delivery.transport import Reply
from digest.outbox.settle import Settlement
from digest.outbox.states import Outcome, State
from digest.outbox.take import Started

_STATES = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.DEFERRED: State.DEFERRED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.UNCERTAIN: State.UNCERTAIN,
    Outcome.NOT_SENT: State.PENDING,
}


def conclude(started: Started, reply: Reply, now: datetime, jitter: float) -> Settlement:
    """Return how an attempt ended: deferred with its next try, or expired if that would be too late."""
    if reply.outcome is Outcome.ACCEPTED and reply.code is not None:  # nearly always
        return Settlement(
            started.promised,
            started.id,
            started.attempt_id,
            State.ACCEPTED,
            Outcome.ACCEPTED,
            now,
            code=reply.code,
            enhanced=reply.enhanced,
            reply=reply.text,
            relay=reply.relay,
        )
    state, due_at = _STATES[reply.outcome], None
    if state is State.DEFERRED:
        due_at = next_try(started.tries, now, started.first_try, jitter, enhanced=reply.enhanced)
        state = State.DEFERRED if due_at else State.EXPIRED
    return Settlement(
        started.promised,
        started.id,
        started.attempt_id,
        state,
        reply.outcome,
        now,
        reason=_reason(reply),
        due_at=due_at,
        code=reply.code,
        enhanced=reply.enhanced,
        reply=reply.text,
        relay=reply.relay,
        about_us=REMEDIES.get(reply.reason, REMEDIES[Reason.OTHER]) if reply.refuses_us else "",
    )


def _reason(reply: Reply) -> str:
    if reply.outcome in {Outcome.ACCEPTED, Outcome.NOT_SENT}:
        return reply.text if reply.code is None else ""
    what = reply.reason.value.replace("_", " ")
    return f"{what}: {reply.text}" if reply.text else what
