"""The only place where objects are built and joined: configuration in, working parts out."""

import secrets
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from digest.runtime import db
from digest.runtime.clock import Clock, open_clock
from digest.runtime.queue_schema import is_installed
from digest.settings.root import Settings, load_settings

# A command that lists issues must not load the renderers: what is heavy is imported by what needs it.
if TYPE_CHECKING:
    from sqlmodel import Session

    from digest.delivery.dkim.sign import DkimSigner
    from digest.delivery.mail.message import MessageWriter
    from digest.delivery.wakeup.protocol import Dispatcher
    from digest.delivery.worker.presence import WorkerPlace
    from digest.notify import Event
    from digest.notify.webhook_calls import WebhookCaller as WebhookCarrier
    from digest.outbox.workers import WorkerLiveness
    from digest.publish.publisher import Publisher
    from digest.render.loader import Templates
    from subscribers.links import LinkSigner


@dataclass(frozen=True)
class App:
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
    def press(self) -> "Publisher":
        """What the pipeline's steps need."""
        from digest.publish.publisher import Publisher  # noqa: PLC0415

        return Publisher(self.settings, self.engine, self.templates)

    @cached_property
    def signer(self) -> "LinkSigner":
        """The signer of links; its newest key signs, every key verifies."""
        from subscribers.links import LinkSigner  # noqa: PLC0415

        keys = [key.get_secret_value() for key in self.settings.secrets.link_keys]
        return LinkSigner(keys, self.settings.publication.base_url)

    @cached_property
    def letters(self) -> "MessageWriter":
        """What writes each reader's mail."""
        from digest.delivery.mail.message import MessageWriter  # noqa: PLC0415

        sign = self.dkim.sign if self.dkim else None
        return MessageWriter(self.settings, self.templates, self.signer, self.message_key, sign=sign)

    @cached_property
    def dkim(self) -> "DkimSigner | None":
        """Our own signature, if it is configured; a key that cannot be used is a ConfigError."""
        from digest.delivery.dkim.setup import signer_of  # noqa: PLC0415

        return signer_of(self.settings)

    @property
    def place(self) -> "WorkerPlace":
        """Where this machine's workers keep their locks, and what the database did not take."""
        from digest.delivery.worker.presence import WorkerPlace  # noqa: PLC0415

        state = self.settings.workspace / ".state"
        return WorkerPlace(socket.gethostname(), state / "workers", state / "outcomes")

    @property
    def witness(self) -> "WorkerLiveness":
        """Who says whether a worker lives."""
        from digest.outbox.workers import WorkerLiveness  # noqa: PLC0415

        return WorkerLiveness(self.place.host, self.place.locks)

    @cached_property
    def dispatcher(self) -> "Dispatcher":
        """What wakes workers that stay. Ask for it before a transaction begins: the queue takes its time to load."""
        if self.engine.dialect.name == "postgresql" and is_installed():
            from digest.delivery.wakeup.queue import QueueDispatcher  # noqa: PLC0415

            return QueueDispatcher(self.engine, self.clock)
        from digest.delivery.wakeup.local import LocalDispatcher  # noqa: PLC0415

        return LocalDispatcher(self.engine, self.clock)

    def tell(self, session: "Session", event: "Event") -> bool:
        """Tell the operators of an event, in the caller's transaction; return whether anybody is told.

        Safe to repeat: an event of the same key is the same one. As with `dispatcher`, which it wakes: ask for that
        before the transaction begins.
        """
        from digest.notify import tell  # noqa: PLC0415

        told = tell(session, self.settings.operators, self.settings.publication.language, event)
        if told:
            self.dispatcher.announce(session, None)
        return told

    @property
    def webhook(self) -> "WebhookCarrier":
        """What makes the calls to the operators' webhook."""
        from digest.notify.webhook_calls import WebhookCaller  # noqa: PLC0415

        return WebhookCaller(self.engine, self.clock, self.settings.operators, self.settings.workspace)

    @property
    def suppression_key(self) -> bytes:
        """The key of the never-send list."""
        return self.settings.secrets.suppression_key.get_secret_value().encode()

    @property
    def message_key(self) -> bytes:
        """The key of Message-IDs."""
        return self.settings.secrets.message_key.get_secret_value().encode()


def open_engine(workspace: Path) -> Engine:
    """Return the workspace's database, whatever its schema."""
    return db.make_engine(load_settings(workspace).database_url)


def upgrade(engine: Engine) -> None:
    """Bring the database to this version's schema."""
    db.upgrade(engine)


def build(workspace: Path) -> App:
    """Return all parts of a workspace; its database must have this version's schema."""
    settings = load_settings(workspace)
    engine = db.make_engine(settings.database_url)
    db.check_revision(engine)
    return App(settings, engine, open_clock())


def new_ref() -> str:
    """Return a random name for a subscriber, by which links know them: 32 hexadecimal digits."""
    return secrets.token_hex(16)
