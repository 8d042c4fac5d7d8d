"""The only place where objects are built and joined: configuration in, working parts out."""

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import Engine

from digest.runtime import db
from digest.runtime.clock import Clock, SystemClock
from digest.runtime.errors import ConfigError, RefusedError, UsageError
from digest.runtime.queue_schema import is_installed
from digest.runtime.settings import (
    LOOPBACK_HOSTS,
    PLACEHOLDER_ADDRESS,
    Pace,
    Relay,
    RelayLimits,
    Settings,
    load_settings,
)

# A command that lists issues must not load the renderers: what is heavy is imported by what needs it.
if TYPE_CHECKING:
    from sqlmodel import Session

    from digest.articles.importing import ImportReport
    from digest.delivery.dkim import DkimSigner
    from digest.delivery.duty import Place
    from digest.delivery.letters import Letters
    from digest.delivery.meter import Meter
    from digest.delivery.pace import Limits
    from digest.delivery.relay import RelayConfig
    from digest.delivery.smtp import SmtpTransport
    from digest.delivery.transport import Carrier, Transport
    from digest.dispatch.port import Dispatcher
    from digest.outbox.recover import Evidence
    from digest.outbox.workers import Witness
    from digest.pipeline import Press
    from digest.render.loader import Templates
    from digest.telling import Event
    from subscribers.links import LinkSigner
    from subscribers.transfer import Importer
    from subscribers.transfer import ImportReport as SubscriberImportReport


class ShiftedClock(SystemClock):
    """The machine's clock moved by a fixed amount: DIGEST_NOW lets a rehearsal run on another day."""

    def __init__(self, start: datetime) -> None:
        self._shift: timedelta = start - datetime.now(UTC)

    def now(self) -> datetime:
        """Return the moved instant, in UTC."""
        return super().now() + self._shift


@dataclass(frozen=True)
class Works:
    """All parts of one workspace, joined."""

    settings: Settings
    engine: Engine
    clock: Clock

    @cached_property
    def templates(self) -> "Templates":
        """The templates: the workspace's overrides first."""
        from digest.render.loader import Templates  # noqa: PLC0415

        return Templates(self.settings.workspace / "templates")

    @cached_property
    def press(self) -> "Press":
        """What the pipeline's steps need."""
        from digest.pipeline import Press  # noqa: PLC0415

        return Press(self.settings, self.engine, self.templates)

    @cached_property
    def signer(self) -> "LinkSigner":
        """The signer of links; its newest key signs, every key verifies."""
        from subscribers.links import LinkSigner  # noqa: PLC0415

        keys = [key.get_secret_value() for key in self.settings.secrets.link_keys]
        return LinkSigner(keys, self.settings.publication.base_url)

    @cached_property
    def letters(self) -> "Letters":
        """What writes each reader's mail."""
        from digest.delivery.letters import Letters  # noqa: PLC0415

        sign = self.dkim.sign if self.dkim else None
        return Letters(self.settings, self.templates, self.signer, self.message_key, sign=sign)

    @cached_property
    def dkim(self) -> "DkimSigner | None":
        """Our own signature, if it is configured; a key that cannot be used is a ConfigError."""
        from digest.delivery.dkim_setup import signer_of  # noqa: PLC0415

        return signer_of(self.settings)

    @property
    def place(self) -> "Place":
        """Where this machine's workers keep their locks, and what the database did not take."""
        from digest.delivery.duty import Place  # noqa: PLC0415

        state = self.settings.workspace / ".state"
        return Place(socket.gethostname(), state / "workers", state / "outcomes")

    @property
    def witness(self) -> "Witness":
        """Who says whether a worker lives."""
        from digest.outbox.workers import Witness  # noqa: PLC0415

        return Witness(self.place.host, self.place.locks)

    @cached_property
    def dispatcher(self) -> "Dispatcher":
        """What wakes workers that stay. Ask for it before a transaction begins: the queue takes its time to load."""
        if self.engine.dialect.name == "postgresql" and is_installed():
            from digest.dispatch.queue import QueueDispatcher  # noqa: PLC0415

            return QueueDispatcher(self.engine, self.clock)
        from digest.dispatch.local import LocalDispatcher  # noqa: PLC0415

        return LocalDispatcher(self.engine, self.clock)

    def tell(self, session: "Session", event: "Event") -> bool:
        """Tell the operators of an event, in the caller's transaction; return whether anybody is told.

        Safe to repeat: an event of the same key is the same one. Ask for `dispatcher` before the transaction begins.
        """
        from digest.telling.port import log_only  # noqa: PLC0415

        return log_only(session, event)

    @property
    def suppression_key(self) -> bytes:
        """The key of the never-send list."""
        return self.settings.secrets.suppression_key.get_secret_value().encode()

    @property
    def message_key(self) -> bytes:
        """The key of Message-IDs."""
        return self.settings.secrets.message_key.get_secret_value().encode()


def open_clock() -> Clock:
    """Return the clock, moved if DIGEST_NOW says so."""
    text = os.environ.get("DIGEST_NOW")
    if not text:
        return SystemClock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"DIGEST_NOW={text!r} is not an instant", hint="Write 2021-09-30T09:00:00+09:00.") from error
    if moment.tzinfo is None:
        raise ConfigError(f"DIGEST_NOW={text!r} has no zone", hint="Write 2021-09-30T09:00:00+09:00.")
    return ShiftedClock(moment)


def open_engine(workspace: Path) -> Engine:
    """Return the workspace's database, whatever its schema."""
    return db.make_engine(load_settings(workspace).database_url)


def upgrade(engine: Engine) -> None:
    """Bring the database to this version's schema."""
    db.upgrade(engine)


def build(workspace: Path) -> Works:
    """Return all parts of a workspace; its database must have this version's schema."""
    settings = load_settings(workspace)
    engine = db.make_engine(settings.database_url)
    db.check_revision(engine)
    return Works(settings, engine, open_clock())


def transport_of(works: Works, override: str = "") -> "Transport":
    """Return the configured transport, or the one that `smtp://host:port` or `maildir:PATH` names."""
    from digest.delivery.maildir import MaildirTransport  # noqa: PLC0415

    settings = works.settings
    _ = works.dkim  # a key that cannot be used is told here, before anything is frozen
    if override:
        return _override(override, settings)
    if settings.delivery.transport == "maildir":
        return MaildirTransport(settings.workspace / settings.delivery.maildir)
    if not settings.relay:
        raise ConfigError('[delivery] transport = "smtp" needs a [[relay]]')
    return _smtp(settings.relay[0], settings)


def carrier_of(works: Works, override: str = "") -> "Carrier":
    """Return what carries an issue: every configured relay, or the way that `override` names."""
    from digest.delivery.one_by_one import OneByOne  # noqa: PLC0415
    from digest.delivery.smtp_fleet import Fleet  # noqa: PLC0415

    settings = works.settings
    relays = _relays(settings, override)
    if not relays:
        return OneByOne(transport_of(works, override), works.clock)
    return Fleet([_relay_config(relay, settings) for relay in relays])


def evidence_of(carrier: "Carrier") -> "Evidence | None":
    """Return who says whether a delivery arrived: a Maildir, if that is the only way."""
    from digest.delivery.one_by_one import OneByOne  # noqa: PLC0415
    from digest.delivery.transport import WithEvidence  # noqa: PLC0415

    transport = carrier.transport if isinstance(carrier, OneByOne) else None
    return transport.evidence if isinstance(transport, WithEvidence) else None


def meter_of(works: Works, carrier: "Carrier") -> "Meter":
    """Return the pace of a carrier's relays, and of the families of mailboxes that they reach."""
    return _meter(works, carrier.relays)


def gauges_of(works: Works) -> "Meter":
    """Return the pace of every configured relay and family, for looking at."""
    return _meter(works, [f"{relay.host}:{relay.port}" for relay in works.settings.relay])


def _meter(works: Works, relays: Sequence[str]) -> "Meter":
    from digest.delivery.families import families  # noqa: PLC0415
    from digest.delivery.meter import Meter, Way  # noqa: PLC0415

    configured = {f"{relay.host}:{relay.port}": relay for relay in works.settings.relay}
    ways = []
    for name in relays:
        relay = configured.get(name, Relay(host="localhost"))
        ways.append(Way(name, limits_of(relay.limits), relay.weight, relay.limits.connections))
    kept = works.settings.delivery.families
    by_family = {name: limits_of(one) for name, one in kept.items()}
    return Meter(ways, by_family, families({name: one.domains for name, one in kept.items()}))


def limits_of(asked: Pace) -> "Limits":
    """Return what a relay or a family may be asked for; a relay's connections are kept by its transport."""
    from digest.delivery.pace import Limits  # noqa: PLC0415

    if isinstance(asked, RelayLimits):
        return Limits(None, asked.per_second, asked.per_hour, asked.per_day, asked.warm_up)
    return Limits(asked.connections, asked.per_second, asked.per_hour, asked.per_day)


def _relays(settings: Settings, override: str) -> Sequence[Relay]:
    """Return the relays to use, none for a Maildir."""
    if override.startswith("maildir:"):
        return ()
    if override:
        return [_named(override, settings)]
    return settings.relay if settings.delivery.transport == "smtp" else ()


def _override(text: str, settings: Settings) -> "Transport":
    from digest.delivery.maildir import MaildirTransport  # noqa: PLC0415

    if text.startswith("maildir:") and len(text) > len("maildir:"):
        return MaildirTransport(Path(text.removeprefix("maildir:")))
    return _smtp(_named(text, settings), settings)


def _named(text: str, settings: Settings) -> Relay:
    """Return the relay that `smtp://host:port` names: as configured, if it is one of those."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme != "smtp" or not host or not port:
        raise ConfigError(f"--relay {text!r} is not understood", hint="Write smtp://127.0.0.1:2525 or maildir:PATH.")
    known = next((relay for relay in settings.relay if (relay.host, relay.port) == (host, port)), None)
    return known or Relay(host=host, port=port, tls="none" if host in LOOPBACK_HOSTS else "required")


def _smtp(relay: Relay, settings: Settings) -> "SmtpTransport":
    from digest.delivery.smtp import SmtpTransport  # noqa: PLC0415

    return SmtpTransport(_relay_config(relay, settings))


def _relay_config(relay: Relay, settings: Settings) -> "RelayConfig":
    from digest.delivery.relay import RelayConfig, Tls  # noqa: PLC0415

    if not relay.on_loopback:
        _require_permission(relay, settings)
    return RelayConfig(
        host=relay.host,
        port=relay.port,
        tls=Tls(relay.tls),
        username=relay.username,
        password=_password(relay, settings.workspace),
        helo=relay.helo,
        weight=relay.weight,
        connections=relay.limits.connections,
        max_messages_per_connection=relay.limits.messages_per_connection,
    )


def _require_permission(relay: Relay, settings: Settings) -> None:
    if not settings.delivery.allow_send:
        raise RefusedError(
            f"{relay.host} is not on loopback, and [delivery] allow_send is false",
            hint="Set allow_send = true in digest.toml when the digest may really leave the house.",
        )
    if any(PLACEHOLDER_ADDRESS in text for text in settings.publication.postal_address.values()):
        raise RefusedError(
            "The postal address is still the placeholder; every mail has to name a real one",
            hint="Set [publication] postal_address in digest.toml.",
        )


def _password(relay: Relay, workspace: Path) -> str | None:
    if relay.password_file is None:
        return None
    try:
        return (workspace / relay.password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"[[relay]] password_file cannot be read: {error.strerror}") from error


def import_articles(
    works: Works, paths: Sequence[str | Path], *, dry_run: bool = False, overwrite: bool = False
) -> "ImportReport":
    """Import files and folders of articles, in one transaction."""
    from digest.articles.importing import import_paths  # noqa: PLC0415
    from digest.articles.intake import Known  # noqa: PLC0415

    settings = works.settings
    topics = [slug for interest in settings.interest for slug in (interest.slug, *interest.was)]
    known = Known([section.slug for section in settings.section], topics, settings.publication.language)
    with db.session_scope(works.engine) as session:
        return import_paths(session, paths, known=known, now=works.clock.now(), dry_run=dry_run, overwrite=overwrite)


def import_subscribers(works: Works, path: Path, *, dry_run: bool = False) -> "SubscriberImportReport":
    """Import a CSV file of readers, each chunk in a transaction of its own."""
    try:
        with path.open("rb") as stream:
            return importer(works).run(stream, works.clock.now(), dry_run=dry_run)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def importer(works: Works) -> "Importer":
    """Return what brings readers in from CSV."""
    from subscribers.rows import RowRules  # noqa: PLC0415
    from subscribers.transfer import Importer  # noqa: PLC0415

    publication = works.settings.publication
    return Importer(
        transaction=partial(db.session_scope, works.engine),
        rules=RowRules(works.press.catalogue, publication.language, publication.zone),
        secret=works.suppression_key,
        new_ref=new_ref,
    )


def new_ref() -> str:
    """Return a random name for a subscriber, by which links know them: 32 hexadecimal digits."""
    return secrets.token_hex(16)
