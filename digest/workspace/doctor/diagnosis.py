"""What a check says, and what every check gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from digest.delivery.worker.place import WorkerPlace
from digest.render.checks import Severity
from digest.render.loader import Templates
from digest.runtime import db
from digest.runtime.clock import Clock, open_clock
from digest.runtime.errors import DigestError
from digest.settings.root import Settings


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that is wrong. `environment`: what is wrong lies outside the workspace (database, relay)."""

    id: str
    severity: Severity
    message: str
    remedy: str
    environment: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that could not be looked at, and why."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was found, and what was not looked at."""

    findings: tuple[Diagnosis, ...]
    skipped: tuple[Skipped, ...]


class DoctorContext:
    """One workspace: its settings, and its database as far as it can be used."""

    def __init__(self, settings: Settings, nameserver: str = "") -> None:
        self.settings = settings
        self.nameserver = nameserver

    @cached_property
    def engine(self) -> Engine:
        """The database, whatever its schema."""
        return db.make_engine(self.settings.database_url)

    @cached_property
    def clock(self) -> Clock:
        """The present instant."""
        return open_clock()

    @cached_property
    def templates(self) -> Templates:
        """The templates: the workspace's overrides first."""
        return Templates(self.settings.workspace / "templates")

    @property
    def place(self) -> WorkerPlace:
        """Where this machine's workers keep their locks and their leftovers."""
        return WorkerPlace.of(self.settings.workspace)

    @cached_property
    def trouble(self) -> DigestError | None:
        """Why the database cannot be used; None if it can."""
        try:
            db.check_revision(self.engine)
        except DigestError as error:
            return error
        except DBAPIError as error:
            return db.explain(error)
        return None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that reads; ask `trouble` first."""
        with db.session_scope(self.engine, read_only=True) as session:
            yield session

    def close(self) -> None:
        """Let the database go."""
        if "engine" in self.__dict__:
            self.engine.dispose()
