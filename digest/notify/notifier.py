"""Tell the operators of one workspace: by mail and by webhook."""

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.wakeup.protocol import Dispatcher
from digest.notify.dispatch import tell
from digest.notify.event import Event
from digest.notify.webhook_calls import WebhookCaller
from digest.runtime.clock import Clock
from digest.settings.operators import Operators
from digest.settings.root import Settings


@dataclass(frozen=True)
class Notifier:
    """The operators of `settings`, and the ways to reach them."""

    settings: Settings
    engine: Engine
    clock: Clock
    dispatcher: Dispatcher

    @property
    def operators(self) -> Operators:
        """Who is told, and of what."""
        return self.settings.operators

    def tell(self, session: Session, event: Event) -> bool:
        """Tell the operators of an event, in the caller's transaction; return whether anybody is told.

        Safe to repeat: an event of the same key is the same one.
        """
        told = tell(session, self.operators, self.settings.publication.language, event)
        if told:
            self.dispatcher.announce(session, None)
        return told

    @property
    def webhook(self) -> WebhookCaller:
        """What makes the calls to the operators' webhook."""
        return WebhookCaller(self.engine, self.clock, self.operators, self.settings.workspace)
