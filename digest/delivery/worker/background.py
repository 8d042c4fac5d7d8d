"""The worker's transactions, one at a time, while its connections go on: in a thread of its own where that helps."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs one job at a time. What its result leads to is done by whoever calls `collect`, in their own thread.

    A database server does its part in a process of its own, and the driver lets other threads run meanwhile, so that a
    durable take costs the connections nothing. SQLite works in our own process: in a second thread it would compete
    with the connections for the interpreter, and cost a third more; so there a job is done at once (not `beside`).
    """

    def __init__(self, *, beside: bool) -> None:
        self._beside = beside
        self._executor: ThreadPoolExecutor | None = None
        self._job: Future[Any] | None = None
        self._then: Callable[[Any], None] = lambda _result: None

    @property
    def is_busy(self) -> bool:
        """Whether a job runs, or its result was not collected."""
        return self._job is not None

    def start(self, job: Callable[[], T], then: Callable[[T], None] = lambda _result: None) -> None:
        """Begin a job; `then` gets its result when it is collected. Only when not busy."""
        self._then = then
        if not self._beside:
            self._job = self._done(job)
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._job = self._executor.submit(job)

    @staticmethod
    def _done(job: Callable[[], T]) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(job())
        except Exception as error:  # noqa: BLE001 - raised where the result is collected, as from a thread
            done.set_exception(error)
        return done

    def collect(self, *, wait: bool = False) -> bool:
        """Do what the finished job's result leads to, or raise its error; return whether there was one."""
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
        """Wait for the thread to end."""
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None
