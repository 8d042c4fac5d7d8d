"""Look for data loss before anything of a database is sent; operators are told."""

import logging
from functools import cache

from digest.issues import store as issue_store
from digest.outbox.data_loss import find_loss, settle_loss
from digest.outbox.journal import database_name
from digest.runtime.db import session_scope
from digest.send.context import SendContext
from digest.send.operator_events import halted

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
        for number in loss.held:
            context.notifier.tell(session, halted(session, issue_store.find(session, number), now))
    for file in loss.files if loss.held else ():
        file.unlink(missing_ok=True)
    if loss.held:
        held = ", ".join(map(str, loss.held))
        todo = "check `digest outbox list --state uncertain`, then `digest outbox release`"
        _say(f"{loss.why}. Held issues: {held}; uncertain: {loss.uncertain}; {todo}")
    else:
        _say(
            f"{loss.why}. An issue that was sent since then is also missing; it will be held when it is assembled again"
        )


@cache
def _say(text: str) -> None:
    """Log it once: a worker that stays looks again and again."""
    logger.error(text)
