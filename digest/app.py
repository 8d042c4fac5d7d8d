"""Join the parts of one workspace. The only place that does; only `cli` and `web` open an App."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sqlalchemy import Engine
from sqlmodel import Session

from digest.delivery.wakeup.protocol import NoDispatcher
from digest.runtime import db
from digest.runtime.clock import Clock, open_clock
from digest.runtime.queue_schema import is_installed
from digest.settings.root import Settings, load_settings
from subscribers.links import LinkSigner

# A command that lists issues must not load the renderers: each part is imported when it is first asked for.
if TYPE_CHECKING:
    from digest.delivery.configured import ConfiguredDelivery
    from digest.delivery.mail.message import MessageWriter
    from digest.delivery.wakeup.protocol import Dispatcher
    from digest.notify.notifier import Notifier
    from digest.publish.publisher import Publisher
    from digest.render.loader import Templates


@dataclass(frozen=True)
class App:
    """The parts of one workspace: opened for writing, or `for_reading`, which wakes nobody and starts faster."""

    settings: Settings
    engine: Engine
    clock: Clock
    for_reading: bool = False

    def __post_init__(self) -> None:
        """Load the dispatcher before any transaction begins: the queue takes its time."""
        if not self.for_reading:
            _ = self.dispatcher

    def __enter__(self) -> Self:
        """Close the database's connections at the end of a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    def session(self, *, read_only: bool = False) -> AbstractContextManager[Session]:
        """Return one transaction as a context manager; `read_only` takes no write lock on SQLite."""
        return db.session_scope(self.engine, read_only=read_only)

    @cached_property
    def templates(self) -> "Templates":
        """The templates: the workspace's overrides first."""
        from digest.render.loader import Templates  # noqa: PLC0415 - the renderers

        return Templates(self.settings.workspace / "templates")

    @cached_property
    def publisher(self) -> "Publisher":
        """Builds, checks and freezes issues."""
        from digest.publish.publisher import Publisher  # noqa: PLC0415 - the renderers

        return Publisher(self.settings, self.engine, self.templates)

    @cached_property
    def signer(self) -> LinkSigner:
        """The signer of links; its newest key signs, every key verifies."""
        keys = [key.get_secret_value() for key in self.settings.secrets.link_keys]
        return LinkSigner(keys, self.settings.publication.base_url)

    @cached_property
    def dispatcher(self) -> "Dispatcher":
        """Wakes workers that stay."""
        if self.for_reading:
            return NoDispatcher()
        if self.engine.dialect.name == "postgresql" and is_installed():
            from digest.delivery.wakeup.queue import QueueDispatcher  # noqa: PLC0415 - only on PostgreSQL

            return QueueDispatcher(self.engine, self.clock)
        from digest.delivery.wakeup.local import LocalDispatcher  # noqa: PLC0415 - only for writing

        return LocalDispatcher(self.engine, self.clock)

    @cached_property
    def delivery(self) -> "ConfiguredDelivery":
        """The configured relays, their pace, and the writer of messages."""
        from digest.delivery.configured import ConfiguredDelivery  # noqa: PLC0415 - the relays

        return ConfiguredDelivery(self.settings, self.engine, self.clock, self.dispatcher, self._writer)

    def _writer(self) -> "MessageWriter":
        from digest.delivery.dkim.setup import signer_of  # noqa: PLC0415 - only to write a message
        from digest.delivery.mail.message import MessageWriter  # noqa: PLC0415 - only to write a message

        dkim = signer_of(self.settings)
        sign = dkim.sign if dkim else None
        return MessageWriter(self.settings, self.templates, self.signer, self.settings.message_key, sign=sign)

    @cached_property
    def notifier(self) -> "Notifier":
        """Tells the operators."""
        from digest.notify.notifier import Notifier  # noqa: PLC0415 - only to tell operators

        return Notifier(self.settings, self.engine, self.clock, self.dispatcher)


def open_app(workspace: Path, *, for_reading: bool = False) -> App:
    """Open a workspace, whose database must have this version's schema. Raises ConfigError and DatabaseError."""
    settings = load_settings(workspace)
    engine = db.make_engine(settings.database_url)
    db.check_revision(engine)
    return App(settings, engine, open_clock(), for_reading)
