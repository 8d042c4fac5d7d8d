"""Dispatcher that polls the database, without a queue: the rows are all it needs."""

from collections.abc import Iterator
from itertools import chain, repeat

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from digest.delivery.wakeup.event import Wakeup
from digest.delivery.wakeup.polling import Outlook, outlook
from digest.delivery.wakeup.protocol import Say, Work
from digest.runtime.clock import Clock
from digest.runtime.db import AWAY, explain, session_scope
from digest.runtime.errors import DatabaseUnreachableError, DigestError, RelayUnreachableError
from digest.runtime.text import ended

LOOK_EVERY = 1.0
"""Seconds between two polls without notifications. A poll is three small queries."""
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_AWAY = (DatabaseUnreachableError, RelayUnreachableError, *AWAY)


class LocalDispatcher:
    """Polls the database once a second, on any database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._every = LOOK_EVERY

    @property
    def how(self) -> str:
        return f"checking the database every {self._every:g} s"

    def announce(self, session: Session, number: int | None) -> None:
        """Do nothing: a poll sees the rows once they are committed."""

    def run(self, work: Work, wakeup: Wakeup, say: Say, *, only: int | None = None) -> None:
        wanted, patience, worked_at = True, pauses(), self._clock.monotonic()
        away, rest, resting = False, 0.0, pauses()
        while not wakeup.stopping:
            try:
                idle, look = self._clock.monotonic() - worked_at, self._look(only)
                if wanted or (idle >= rest and look.wants_work(self._clock.now(), idle)):
                    work()
                    worked_at, look = self._clock.monotonic(), self._look(only)
                    # what is due all the same may not go now: a relay's day is full, another worker is just taking it
                    blocked = look.wants_work(self._clock.now(), 0.0)
                    rest, resting = (next(resting), resting) if blocked else (0.0, pauses())
                pause = 0.0 if wakeup.stopping else look.pause(self._clock.now(), self._every)
            except _AWAY as error:
                if not away:
                    say(f"{sentence(error)} Waiting until it answers.")
                wanted, away, pause = True, True, next(patience)
            else:
                if away:
                    say("The database answers again.")
                wanted, away, patience = False, False, pauses()
            if wakeup.wait(pause):
                rest = 0.0  # something has become due just now

    def _look(self, only: int | None) -> Outlook:
        with session_scope(self._engine, read_only=True) as session:
            return outlook(session, only)


def pauses() -> Iterator[float]:
    """Return the pauses, in seconds, before each further try of what is away."""
    return chain(_PAUSES, repeat(_PAUSES[-1]))


def sentence(error: Exception) -> str:
    """Return an error as one sentence for a person."""
    explained = explain(error) if isinstance(error, DBAPIError) else error
    assert isinstance(explained, DigestError)  # noqa: S101 - the only others in _AWAY
    return ended(explained.message)
