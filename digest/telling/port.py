"""Where an event goes while nobody is configured to be told: into the log."""

import logging

from sqlmodel import Session

from digest.telling.event import Event, EventKind

logger = logging.getLogger(__name__)

_GOOD = frozenset({EventKind.ASSEMBLED, EventKind.STARTED, EventKind.FINISHED})


def log_only(session: Session, event: Event) -> bool:  # noqa: ARG001 - the form of whoever tells
    """Write the event to the log; return whether anybody is told, which is nobody."""
    level = logging.INFO if event.kind in _GOOD else logging.WARNING
    logger.log(level, "%s: %s", event.key, event.why)
    return False
