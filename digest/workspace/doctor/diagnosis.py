"""Results of health checks, and the context that every check gets."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from digest.delivery.worker.place import WorkerPlace
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY
from digest.render.checks import Severity
from digest.render.loader import Templates
from digest.runtime import db
from digest.runtime.clock import Clock, open_clock
from digest.runtime.errors import DigestError
from digest.settings.root import Settings
from digest.workspace.doctor.demands import Demand


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One problem and its remedy. `environment`: it lies outside the workspace (database, relay)."""

    id: str
    severity: Severity
    message: str
    remedy: str
    environment: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that could not be made, and why."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Met:
    """Something that is as it should be, where that is worth a word."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class Examination:
    """The results of all checks, and, if mail leaves this machine, what providers ask of its sender."""

    findings: tuple[Diagnosis, ...]
    skipped: tuple[Skipped, ...]
    demands: tuple[Demand, ...] = ()


class DoctorContext:
    """One workspace: its settings, and its database whatever its schema."""

    def __init__(self, settings: Settings, nameserver: str = "") -> None:
        self.settings = settings
        self.nameserver = nameserver

    @cached_property
    def engine(self) -> Engine:
        return db.make_engine(self.settings.database_url)

    @cached_property
    def clock(self) -> Clock:
        return open_clock()

    @cached_property
    def templates(self) -> Templates:
        return Templates(self.settings.workspace / "templates")

    @property
    def place(self) -> WorkerPlace:
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

    @cached_property
    def in_service(self) -> bool:
        """Whether a reader has ever got an issue from here; not if the database cannot be used."""
        if self.trouble is not None:
            return False
        with self.session() as session:
            accepted = select(DELIVERY.c.id).where(DELIVERY.c.state == State.ACCEPTED.value).limit(1)
            return session.execute(accepted).first() is not None

    def session(self) -> AbstractContextManager[Session]:
        """Return a read-only transaction; ask `trouble` first."""
        return db.session_scope(self.engine, read_only=True)

    def close(self) -> None:
        if "engine" in self.__dict__:
            self.engine.dispose()
