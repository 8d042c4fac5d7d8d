"""What sending needs of an opened workspace."""

from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

from digest.runtime.clock import Clock

if TYPE_CHECKING:  # whoever looks at deliveries loads neither renderers nor transports
    from digest.delivery.configured import ConfiguredDelivery
    from digest.notify.notifier import Notifier
    from digest.publish.publisher import Publisher


class SendContext(Protocol):
    """Everything between an approved issue and its account; `digest.app.App` is one."""

    @property
    def engine(self) -> Engine: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def publisher(self) -> "Publisher":
        """Builds and freezes issues."""

    @property
    def delivery(self) -> "ConfiguredDelivery":
        """The configured relays, their pace, the writer of messages, and the dispatcher of workers."""

    @property
    def notifier(self) -> "Notifier":
        """Tells the operators."""
