"""Interface between code that makes mail due and the long-running workers: announce, and run."""

from collections.abc import Callable
from typing import Protocol

from sqlmodel import Session

from digest.delivery.wakeup.event import Wakeup

Work = Callable[[], None]
"""Delivers what is due until nothing is."""

Say = Callable[[str], None]
"""Takes one line for the operator."""


class Dispatcher(Protocol):
    """Wakes workers. The outbox's rows say what is due; an announcement only saves the wait for the next poll."""

    @property
    def how(self) -> str:
        """What wakes a long-running worker, in words for a person."""

    def announce(self, session: Session, number: int | None) -> None:
        """Announce, when the caller's transaction commits, that mail of issue `number` is due (None: notices).

        A rollback leaves nothing behind, and a failed announcement never fails the transaction.
        """

    def run(self, work: Work, wakeup: Wakeup, say: Say, *, only: int | None = None) -> None:
        """Run until `wakeup.stop()`: call `work` at the start, at announcements, and when deferred mail is due.

        `only` is the one issue to watch, beside notices. A database or relay that is away is waited for; what waiting
        does not mend (RelayRefusedError, UsageError ...) is raised.
        """


class NoDispatcher:
    """Dispatcher of a workspace opened for reading: nothing becomes due in it."""

    how = "nothing"

    def announce(self, session: Session, number: int | None) -> None:
        """Raise RuntimeError: a command that makes mail due opens the workspace for writing."""
        del session, number
        raise RuntimeError("this workspace is open for reading only")

    def run(self, work: Work, wakeup: Wakeup, say: Say, *, only: int | None = None) -> None:
        del work, wakeup, say, only
        raise RuntimeError("this workspace is open for reading only")
