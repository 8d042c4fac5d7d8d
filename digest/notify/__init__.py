"""Notification of operators by mail and webhook, in the transaction of the event.

Mail is a Notice of kind `operator`, retried as every other; a webhook call has a row of its own, so that it goes out
when the relay is what is broken. Both are unique by the event's key: a repeat, in another process or after a crash,
does nothing.
"""

from digest.notify.dispatch import tell
from digest.notify.event import Event, EventKind

__all__ = ["Event", "EventKind", "tell"]
