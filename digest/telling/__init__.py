"""Telling the operators what happened, in the transaction of what happened."""

from digest.telling.event import Event, EventKind

__all__ = ["Event", "EventKind"]
