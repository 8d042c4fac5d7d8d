"""Transports, carriers and workers as digest.toml or a `--relay` option configures them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import Engine

from digest.delivery.configured_pace import meter_of
from digest.delivery.maildir import MAILDIR, MaildirTransport
from digest.delivery.sequential import OneByOne
from digest.delivery.smtp.relay import RelayConfig, Tls, Token
from digest.delivery.transport import Carrier, Transport, WithEvidence
from digest.delivery.wakeup.protocol import Dispatcher
from digest.delivery.worker.ledger import PAUSES, OnFailed
from digest.delivery.worker.loop import Worker
from digest.delivery.worker.place import WorkerPlace
from digest.delivery.worker.progress import DeliveryProgress
from digest.delivery.worker.sources import LazyWriter, Writer
from digest.outbox.breaker import BreakerLimits
from digest.outbox.recover import Evidence
from digest.runtime.clock import Clock
from digest.runtime.errors import ConfigError, RefusedError
from digest.runtime.secret_file import read_secret_file
from digest.settings.delivery import Relay
from digest.settings.part import LOOPBACK_HOSTS
from digest.settings.percentages import share
from digest.settings.publication import PLACEHOLDER_ADDRESS
from digest.settings.root import Settings

if TYPE_CHECKING:  # the renderers wait for the first message
    from digest.delivery.mail.message import MessageWriter
    from digest.delivery.smtp.transport import SmtpTransport


@dataclass(frozen=True)
class ConfiguredDelivery:
    """Delivery as [delivery], [[relay]] and [dkim] configure it, built on demand."""

    settings: Settings
    engine: Engine
    clock: Clock
    dispatcher: Dispatcher
    make_writer: Callable[[], "MessageWriter"]

    @cached_property
    def writer(self) -> "MessageWriter":
        """The message writer. Raises ConfigError for a DKIM key that cannot be used."""
        return self.make_writer()

    @property
    def worker_writer(self) -> Writer:
        return self.writer

    @property
    def place(self) -> WorkerPlace:
        """The lock and leftover folders of this machine's workers."""
        return WorkerPlace.of(self.settings.workspace)

    def transport(self, override: str = "") -> Transport:
        """Return the configured transport, or the one that `smtp://host:port` or `maildir:PATH` names."""
        settings = self.settings
        if settings.dkim:
            _ = self.writer  # a DKIM key that cannot be used is reported here, before anything is frozen
        if override.startswith(MAILDIR) and override != MAILDIR:
            return MaildirTransport(Path(override.removeprefix(MAILDIR)))
        if override:
            return _smtp(_named(override, settings), settings)
        if settings.delivery.transport == "maildir":
            return MaildirTransport(settings.workspace / settings.delivery.maildir)
        if not settings.relay:
            raise ConfigError('[delivery] transport = "smtp" needs a [[relay]]')
        return _smtp(settings.relay[0], settings)

    def carrier(self, override: str = "") -> Carrier:
        """Return a carrier over all configured relays, or over the one that `override` names."""
        relays = relays_of(self.settings, override)
        if not relays:
            return OneByOne(self.transport(override), self.clock)
        from digest.delivery.smtp.fleet import Fleet  # noqa: PLC0415 - the SMTP client, which a Maildir does not need

        return Fleet([_relay_config(relay, self.settings) for relay in relays])

    def worker(
        self,
        carrier: Carrier,
        progress: Callable[[DeliveryProgress], None],
        *,
        on_failed: OnFailed = lambda _session, _failed: None,
        writer_on_demand: bool = False,
    ) -> Worker:
        """Return a worker with the configured rate limits and patience.

        With `writer_on_demand` the renderers are loaded for the first message; a DKIM key is always checked now.
        """
        lazy = writer_on_demand and self.settings.dkim is None
        patience = self.settings.delivery.patience
        return Worker(
            self.engine,
            carrier,
            LazyWriter(lambda: self.worker_writer) if lazy else self.worker_writer,
            self.clock,
            self.place,
            meter=meter_of(self.settings, carrier.relays),
            evidence=_evidence_of(carrier),
            progress=progress,
            pauses=tuple(pause for pause, total in zip(PAUSES, accumulate(PAUSES), strict=True) if total <= patience),
            limits=self.breaker_limits,
            on_failed=on_failed,
        )

    @property
    def breaker_limits(self) -> BreakerLimits:
        rules = self.settings.delivery
        return BreakerLimits(rules.breaker_refusals, share(rules.breaker_rejected), rules.breaker_least)


def _evidence_of(carrier: Carrier) -> Evidence | None:
    """Return the evidence of a Maildir, if that is the only transport."""
    transport = carrier.transport if isinstance(carrier, OneByOne) else None
    return transport.evidence if isinstance(transport, WithEvidence) else None


def relays_of(settings: Settings, override: str) -> Sequence[Relay]:
    if override.startswith(MAILDIR):
        return ()
    if override:
        return [_named(override, settings)]
    return settings.relay if settings.delivery.transport == "smtp" else ()


def _named(text: str, settings: Settings) -> Relay:
    """Return the relay that `smtp://host:port` names: as configured, if it is one of those."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme != "smtp" or not host or not port:
        raise ConfigError(f"--relay {text!r} is not valid", hint="Use smtp://127.0.0.1:2525 or maildir:PATH.")
    known = next((relay for relay in settings.relay if (relay.host, relay.port) == (host, port)), None)
    return known or Relay(host=host, port=port, tls="none" if host in LOOPBACK_HOSTS else "required")


def _smtp(relay: Relay, settings: Settings) -> "SmtpTransport":
    from digest.delivery.smtp.transport import SmtpTransport  # noqa: PLC0415 - see `carrier`

    return SmtpTransport(_relay_config(relay, settings))


def _relay_config(relay: Relay, settings: Settings) -> RelayConfig:
    if not relay.on_loopback:
        _require_permission(relay, settings)
    return RelayConfig(
        host=relay.host,
        port=relay.port,
        tls=Tls(relay.tls),
        username=relay.username,
        password=_password(relay, settings.workspace),
        token=_token(relay, settings.workspace),
        helo=relay.helo,
        weight=relay.weight,
        connections=relay.limits.connections,
        max_messages_per_connection=relay.limits.messages_per_connection,
    )


def _require_permission(relay: Relay, settings: Settings) -> None:
    if not settings.delivery.allow_send:
        raise RefusedError(
            f"Sending to {relay.host} is not allowed: it is not on loopback, and [delivery] allow_send is false",
            hint="Set allow_send = true in digest.toml when you are ready to send to external relays.",
        )
    if any(PLACEHOLDER_ADDRESS in text for text in settings.publication.postal_address.values()):
        raise RefusedError(
            "The postal address is still the placeholder, but every mail must contain a real one",
            hint="Set [publication] postal_address in digest.toml.",
        )


def _password(relay: Relay, workspace: Path) -> str | None:
    if relay.password_file is None:
        return None
    return read_secret_file(workspace / relay.password_file, "[[relay]] password_file")


def _token(relay: Relay, workspace: Path) -> Token | None:
    if not (relay.token_command or relay.token_url):
        return None
    from digest.delivery.smtp.token import access_token  # noqa: PLC0415 - an HTTP client, which few relays need

    return access_token(relay, workspace)
