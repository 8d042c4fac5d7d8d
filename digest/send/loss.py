"""Look for a database that lost transactions, before anything of it is sent; operators are told."""

import logging

from digest.notify import Event, EventKind
from digest.outbox.journal import database_name
from digest.outbox.loss import find_loss, settle_loss
from digest.runtime.db import session_scope
from digest.send.context import SendContext

logger = logging.getLogger(__name__)


def look_for_loss(context: SendContext) -> None:
    """Hold what is on its way if workers' journals name attempts that the database does not have."""
    place = context.delivery.place
    asked = place.liveness, database_name(context.engine.url, place.locks)
    with session_scope(context.engine, read_only=True) as session:
        if not find_loss(session, *asked):
            return
    with session_scope(context.engine) as session:
        now = context.clock.now()
        loss = settle_loss(session, *asked, now)
        if loss is None:  # another process was quicker
            return
        why = (
            f"{loss.why}. What may have been sent since then is uncertain; later sign-ups and unsubscribes are missing"
        )
        for number in loss.held:
            numbers = {"uncertain": loss.uncertain}
            event = Event(EventKind.HALTED, now, number, why=why, numbers=numbers, occasion=f"loss-{now:%Y%m%dT%H%M%S}")
            context.notifier.tell(session, event)
    for file in loss.files:
        file.unlink(missing_ok=True)
    held = ", ".join(map(str, loss.held)) or "none"
    todo = "look at `digest outbox list --state uncertain`, then `digest outbox release`"
    logger.error("%s. Held issues: %s; uncertain: %d; %s", why, held, loss.uncertain, todo)
