"""Telling the operators what happened: `tell` in the transaction of what happened, by mail and by webhook.

Mail is a Notice of kind `operator`, so it goes through the same relay, and is retried, as every other; a webhook call
is a row of its own, so that it goes out when the relay is what is broken. Both are unique by the event's key: whoever
tells an event again, in another process or after a crash, tells nothing new.
"""

from digest.notify.dispatch import Operators, tell
from digest.notify.event import Event, EventKind

__all__ = ["Event", "EventKind", "Operators", "tell"]
