"""The port between whoever makes something due and the workers that stay: announce, and stay."""

from collections.abc import Callable
from typing import Protocol

from sqlmodel import Session

from digest.delivery.wakeup.event import Wakeup

Work = Callable[[], None]
"""Delivers whatever is due until nothing is."""

Say = Callable[[str], None]
"""Takes one line for the person who looks after the worker."""


class Dispatcher(Protocol):
    """Wakes workers. What is due stands in the outbox's rows; an announcement only saves the wait for the next look."""

    @property
    def how(self) -> str:
        """By what a worker that stays is woken, for a person."""

    def announce(self, session: Session, number: int | None) -> None:
        """Tell the workers, when the caller's transaction commits, that mail is due of issue `number` (None: notices).

        A rollback leaves nothing behind, and a failure to announce never fails the transaction.
        """

    def run(self, work: Work, wakeup: Wakeup, say: Say, *, only: int | None = None) -> None:
        """Stay until `wakeup.stop()`: call `work` at the start, when it is announced, and when what was put off is due.

        `only` is the one issue whose deliveries matter, beside notices. A database or relay that is away is waited for;
        what waiting does not mend (RelayRefusedError, UsageError ...) is raised.
        """


class NoDispatcher:
    """The dispatcher of a workspace that was opened for reading: nothing becomes due in it."""

    how = "nothing"

    def announce(self, session: Session, number: int | None) -> None:
        """Raise: a command that makes mail due opens the workspace for writing."""
        del session, number
        raise RuntimeError("this workspace was opened for reading")

    def run(self, work: Work, wakeup: Wakeup, say: Say, *, only: int | None = None) -> None:
        """Raise, as `announce` does."""
        del work, wakeup, say, only
        raise RuntimeError("this workspace was opened for reading")
