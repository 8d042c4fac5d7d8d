"""The Protocol of an opened workspace for sending."""

from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

from digest.runtime.clock import Clock

if TYPE_CHECKING:  # commands that only read deliveries load neither renderers nor transports
    from digest.delivery.configured import ConfiguredDelivery
    from digest.notify.notifier import Notifier
    from digest.publish.publisher import Publisher


class SendContext(Protocol):
    """The parts that send an approved issue; `digest.app.App` is one."""

    @property
    def engine(self) -> Engine: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def publisher(self) -> "Publisher": ...

    @property
    def delivery(self) -> "ConfiguredDelivery":
        """The configured relays, rate limits, message writer and worker dispatcher."""

    @property
    def notifier(self) -> "Notifier": ...
