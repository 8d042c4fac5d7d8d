"""Notifier of a workspace's operators, by mail and webhook."""

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.wakeup.protocol import Dispatcher
from digest.notify.dispatch import tell
from digest.notify.event import Event
from digest.notify.webhook_calls import WebhookCaller
from digest.runtime.clock import Clock
from digest.settings.root import Settings


@dataclass(frozen=True)
class Notifier:
    """Notifies the operators of `settings`."""

    settings: Settings
    engine: Engine
    clock: Clock
    dispatcher: Dispatcher

    def tell(self, session: Session, event: Event) -> bool:
        """Notify the operators of an event, in the caller's transaction; return whether any recipient is configured.

        Safe to repeat: an event of the same key is the same one.
        """
        promised = tell(session, self.settings.operators, self.settings.publication.language, event)
        if promised:
            self.dispatcher.announce(session, None)
        return promised

    @property
    def webhook(self) -> WebhookCaller:
        return WebhookCaller(self.engine, self.clock, self.settings.operators, self.settings.workspace)
