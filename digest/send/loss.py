"""Look for a database that lost transactions, before anything of it is sent; operators are told."""

import logging
from functools import cache

from digest.notify import Event, EventKind
from digest.outbox.journal import database_name
from digest.outbox.loss import find_loss, settle_loss
from digest.runtime.db import session_scope
from digest.send.context import SendContext

logger = logging.getLogger(__name__)


def look_for_loss(context: SendContext) -> None:
    """Hold what is on its way if workers' journals name attempts that the database does not have.

    They are removed then. If the issue itself is lost, there is nothing to hold: they wait for it to be made again.
    """
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
        numbers, occasion = {"uncertain": loss.uncertain}, f"loss-{loss.since:%Y%m%dT%H%M%S}"
        for number in loss.held:
            event = Event(EventKind.HALTED, now, number, why=why, numbers=numbers, occasion=occasion)
            context.notifier.tell(session, event)
    for file in loss.files if loss.held else ():
        file.unlink(missing_ok=True)
    if loss.held:
        held = ", ".join(map(str, loss.held))
        todo = "look at `digest outbox list --state uncertain`, then `digest outbox release`"
        _say(f"{why}. Held issues: {held}; uncertain: {loss.uncertain}; {todo}")
    else:
        _say(f"{why}. An issue that was sent since then is gone, too; it is held when it is made again")


@cache
def _say(text: str) -> None:
    """Log it once: a worker that stays looks again and again."""
    logger.error(text)
