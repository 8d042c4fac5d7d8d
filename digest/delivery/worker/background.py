"""Background executor of a worker's transactions: a thread with PostgreSQL, inline with SQLite."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs one job at a time; `collect` hands its result to a callback, in the caller's thread.

    A job should leave the interpreter alone: a database server works in a process of its own, and SQLite's commit waits
    for the disk. Its statements would compete with the connections, a third slower: they run before the job begins.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._job: Future[Any] | None = None
        self._then: Callable[[Any], None] = lambda _result: None

    @property
    def is_busy(self) -> bool:
        """Whether a job runs, or its result was not collected."""
        return self._job is not None

    def start(self, job: Callable[[], T], then: Callable[[T], None] = lambda _result: None) -> None:
        """Begin a job, only when not busy; `then` gets its result when that is collected."""
        self._then = then
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._job = self._executor.submit(job)

    def collect(self, *, wait: bool = False) -> bool:
        """Pass the finished job's result on, or raise its error; return whether there was one."""
        job = self._job
        if job is None or not (wait or job.done()):
            return False
        try:
            result = job.result()
        finally:
            if job.done():
                self._job = None
        self._then(result)
        return True

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None
