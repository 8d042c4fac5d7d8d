"""SMTP transport: one message at a time over a fleet of one connection."""

import ssl
from collections.abc import Sequence
from dataclasses import replace

from digest.delivery.smtp.fleet import Fleet
from digest.delivery.smtp.relay import RelayConfig
from digest.delivery.transport import Envelope, Parcel, Reply
from digest.outbox.states import Outcome
from digest.runtime.errors import RelayUnreachableError

_A_WHILE = 60.0


class SmtpTransport:
    """One connection to a relay, opened when first needed and again when it is worn out. For one thread."""

    def __init__(self, config: RelayConfig, context: ssl.SSLContext | None = None) -> None:
        """Make a transport; `context` replaces the system's trusted authorities and must verify, too."""
        self._relay = config.name
        self._fleet = Fleet([replace(config, connections=1)], context)

    def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
        """Send one message; see `Transport.send` for results and errors."""
        only = _Only(Parcel(envelope.delivery_id, self._relay, envelope, message))
        self._fleet.allow(self._relay, 1)  # after a failure: the caller has decided to try again
        try:
            while True:
                step = self._fleet.step(only, _A_WHILE)
                outcomes = {reply.outcome for _, reply in step.ended} - {Outcome.NOT_SENT}
                if step.failures and not outcomes:
                    raise step.failures[0][1]
                if step.ended and not outcomes:
                    raise RelayUnreachableError(f"{self._relay}: {step.ended[0][1].text}.")
                if step.ended:
                    return step.ended[0][1]
        except BaseException:
            # what is left of an interrupted message must not be taken for a part of the next one
            if self._fleet.under_way:
                self._fleet.close()
            raise

    def close(self) -> None:
        self._fleet.close()


class _Only:
    """A source of one parcel."""

    def __init__(self, parcel: Parcel) -> None:
        self._parcel: Parcel | None = parcel

    def waiting(self, relay: str) -> int:
        return 1 if self._parcel and self._parcel.relay == relay else 0

    def next(self, relay: str) -> Parcel | None:
        parcel, self._parcel = (self._parcel, None) if self.waiting(relay) else (None, self._parcel)
        return parcel

    def may_go(self, parcel: Parcel) -> bool:  # noqa: ARG002 - its caller still waits
        return True

    def hand_over(self, parcel: Parcel) -> bool:  # noqa: ARG002 - it belongs to no worker
        return True
