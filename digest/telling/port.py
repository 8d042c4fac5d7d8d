"""The port by which a run tells what happened; whoever implements it decides who hears of it, and how."""

import logging
from typing import Protocol

from sqlmodel import Session

from digest.telling.event import Event, EventKind

logger = logging.getLogger(__name__)

_GOOD = frozenset({EventKind.ASSEMBLED, EventKind.STARTED, EventKind.FINISHED})


class Tell(Protocol):
    """Promises, in the caller's transaction, that an event will be told. An event of a known key is told no more."""

    def __call__(self, session: Session, event: Event) -> object:
        """Promise it."""
        ...


def log_only(session: Session, event: Event) -> None:  # noqa: ARG001 - the port's form
    """Write the event to the log: what is left where nobody is configured to be told."""
    level = logging.INFO if event.kind in _GOOD else logging.WARNING
    logger.log(level, "%s: %s", event.key, event.why)
