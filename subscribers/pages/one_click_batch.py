"""Working together: what several requests want of the database at the same moment is asked, and written, once.

A commit that is durable takes milliseconds of the disk's time, and SQLite has one writer. Each request still gets its
answer only after the commit that holds its change.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

Result = TypeVar("Result")

MOST = 200
"""Wishes of one transaction: a take that wants one of their rows waits for all."""


class _Wish(Generic[Result]):
    """What one thread wants: not yet fulfilled, fulfilled, or to be tried alone."""

    def __init__(self, ref: str) -> None:
        self.ref = ref
        self.result: Result | None = None
        self.done = False
        self.alone = False


class Together(Generic[Result]):
    """Collects the references of those to whom the same thing is to be done.

    `act(references, alone)` does it and returns a result for each; it must be safe to repeat.
    """

    def __init__(self, act: Callable[[Sequence[str], bool], Mapping[str, Result]]) -> None:
        self._act = act
        self._waiting: list[_Wish[Result]] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def do(self, ref: str) -> Result | None:
        """Return the result for this reference when it is committed; raise what went wrong.

        Whoever gets the turn acts for all who wait. Where that fails, each tries by themselves: one row that somebody
        holds, or that cannot be changed, is no matter of the others.
        """
        wish: _Wish[Result] = _Wish(ref)
        with self._list:
            self._waiting.append(wish)
        with self._turn:
            if not (wish.done or wish.alone):
                self._fulfil(self._next())
        return self._act([ref], True).get(ref) if wish.alone else wish.result

    def _next(self) -> Sequence[_Wish[Result]]:
        with self._list:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        return batch

    def _fulfil(self, batch: Sequence[_Wish[Result]]) -> None:
        try:
            results = self._act(sorted({wish.ref for wish in batch}), False)
        except Exception:  # noqa: BLE001 - each gets to see it when they try alone, if it concerns them
            for wish in batch:
                wish.alone = True
        else:
            for wish in batch:
                wish.result, wish.done = results.get(wish.ref), True
