"""The only place where objects are built and joined: configuration in, working parts out."""

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from digest.runtime import db
from digest.runtime.clock import Clock, SystemClock
from digest.runtime.errors import ConfigError, UsageError
from digest.runtime.queue_schema import is_installed
from digest.settings.root import Settings, load_settings

# A command that lists issues must not load the renderers: what is heavy is imported by what needs it.
if TYPE_CHECKING:
    from sqlmodel import Session

    from digest.articles.importing import ImportReport
    from digest.delivery.dkim.sign import DkimSigner
    from digest.delivery.mail.message import Letters
    from digest.delivery.wakeup.protocol import Dispatcher
    from digest.delivery.worker.presence import Place
    from digest.notify import Event
    from digest.notify.webhook_calls import Carrier as WebhookCarrier
    from digest.outbox.workers import Witness
    from digest.publish.freeze import Press
    from digest.render.loader import Templates
    from subscribers.links import LinkSigner
    from subscribers.transfer.importer import Importer
    from subscribers.transfer.importer import ImportReport as SubscriberImportReport
    from subscribers.transfer.reading import Asked


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
        from digest.publish.freeze import Press  # noqa: PLC0415

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
        from digest.delivery.mail.message import Letters  # noqa: PLC0415

        sign = self.dkim.sign if self.dkim else None
        return Letters(self.settings, self.templates, self.signer, self.message_key, sign=sign)

    @cached_property
    def dkim(self) -> "DkimSigner | None":
        """Our own signature, if it is configured; a key that cannot be used is a ConfigError."""
        from digest.delivery.dkim.setup import signer_of  # noqa: PLC0415

        return signer_of(self.settings)

    @property
    def place(self) -> "Place":
        """Where this machine's workers keep their locks, and what the database did not take."""
        from digest.delivery.worker.presence import Place  # noqa: PLC0415

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
        from digest.notify.webhook_calls import Carrier  # noqa: PLC0415

        return Carrier(self.engine, self.clock, self.settings.operators, self.settings.workspace)

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


def import_articles(
    works: Works, paths: Sequence[str | Path], *, dry_run: bool = False, overwrite: bool = False
) -> "ImportReport":
    """Import files and folders of articles, in one transaction."""
    from digest.articles.importing import import_paths  # noqa: PLC0415
    from digest.articles.intake import Known  # noqa: PLC0415
    from digest.publish.archive_notes import renew  # noqa: PLC0415

    settings = works.settings
    topics = [slug for interest in settings.interest for slug in (interest.slug, *interest.was)]
    known = Known([section.slug for section in settings.section], topics, settings.publication.language)
    now = works.clock.now()
    with db.session_scope(works.engine) as session:
        report = import_paths(session, paths, known=known, now=now, dry_run=dry_run, overwrite=overwrite)
        if not dry_run and (report.created or report.updated):
            renew(works.press, session, now)  # `archive: false` may stand in one that is published already
        return report


def import_subscribers(
    works: Works,
    path: Path,
    *,
    dry_run: bool = False,
    asked: "Asked | None" = None,
    add_interests: bool = False,
    progress: Callable[[int], None] = lambda _lines: None,
) -> "SubscriberImportReport":
    """Import a file of readers, each chunk in a transaction of its own."""
    try:
        with path.open("rb") as stream, db.for_bulk(works.engine) as engine:
            return importer(works, engine).run(
                stream,
                works.clock.now(),
                dry_run=dry_run,
                asked=asked or asked_of(works, path),
                add_interests=add_interests,
                progress=progress,
            )
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def asked_of(
    works: Works, path: Path, *, mapping: str = "", interests: str = "", confirmed_by: str = "", status: str = ""
) -> "Asked":
    """Return what a person says about a file of readers; `mapping` is one, or the name of a TOML file with one."""
    from subscribers.transfer.mapping import parse_mapping, read_mapping  # noqa: PLC0415
    from subscribers.transfer.reading import Asked  # noqa: PLC0415
    from subscribers.transfer.rows import STATUSES  # noqa: PLC0415

    if status and status not in STATUSES:
        raise UsageError(f"There is no status {status!r}", hint=f"There are: {', '.join(STATUSES)}.")
    columns = None
    if mapping.endswith(".toml"):
        try:
            columns = read_mapping(Path(mapping).read_bytes())
        except OSError as error:
            raise UsageError(f"{mapping} cannot be read: {error.strerror}") from error
    elif mapping:
        columns = parse_mapping(mapping)
    catalogue = works.press.catalogue
    wanted = catalogue.canonical(catalogue.choose(interests)) if interests else ""
    titles = {
        title.strip().lower(): interest.slug
        for interest in works.settings.interest
        for title in interest.title.values()
    }
    return Asked(path.name, columns, wanted, confirmed_by, status, titles)


def importer(works: Works, engine: Engine | None = None) -> "Importer":
    """Return what brings readers in, by the workspace's engine or another one of its database."""
    from subscribers.transfer.importer import Importer  # noqa: PLC0415
    from subscribers.transfer.rows import RowRules  # noqa: PLC0415

    publication = works.settings.publication
    return Importer(
        transaction=partial(db.session_scope, engine or works.engine),
        rules=RowRules(works.press.catalogue, publication.language, publication.zone),
        secret=works.suppression_key,
        new_ref=new_ref,
    )


def new_ref() -> str:
    """Return a random name for a subscriber, by which links know them: 32 hexadecimal digits."""
    return secrets.token_hex(16)
