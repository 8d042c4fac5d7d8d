"""Group commit: concurrent requests for the same action share one transaction.

A durable commit takes milliseconds, and SQLite has one writer. Each request is answered after the commit of its change.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

Result = TypeVar("Result")

MOST = 200
"""Requests in one transaction: a take that needs one of their rows waits for all."""


class _Request(Generic[Result]):
    """One thread's request: open, done, or to be retried alone."""

    def __init__(self, ref: str) -> None:
        self.ref = ref
        self.result: Result | None = None
        self.done = False
        self.alone = False


class GroupCommit(Generic[Result]):
    """Batches calls from several threads; `act(references, alone)` returns results by reference. Must be idempotent."""

    def __init__(self, act: Callable[[Sequence[str], bool], Mapping[str, Result]]) -> None:
        self._act = act
        self._waiting: list[_Request[Result]] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def do(self, ref: str) -> Result | None:
        """Return the result for this reference once it is committed; raise its error.

        One thread acts for all that wait. If that fails each retries alone: a locked row does not block the others.
        """
        request: _Request[Result] = _Request(ref)
        with self._list:
            self._waiting.append(request)
        with self._turn:
            if not (request.done or request.alone):
                self._run_batch()
        return self._act([ref], True).get(ref) if request.alone else request.result

    def _run_batch(self) -> None:
        with self._list:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            results = self._act(sorted({request.ref for request in batch}), False)
        except Exception:  # noqa: BLE001 - each sees it when it retries alone, if it concerns it
            for request in batch:
                request.alone = True
        else:
            for request in batch:
                request.result, request.done = results.get(request.ref), True
