"""A worker's ear: procrastinate's worker in a thread of its own. It rings; the work is done where signals arrive."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import procrastinate
from procrastinate import exceptions
from procrastinate.jobs import Status

from digest.delivery.wakeup.event import Wakeup

logger = logging.getLogger(__name__)

QUEUE = "digest"
TASK = "digest.due"
AGAIN_SECONDS = 2.0
STALLED_SECONDS = 30.0
"""A job is `doing` for milliseconds, and procrastinate's workers beat every 10 s."""
POOL_SECONDS = 5.0
END_SECONDS = 10.0


class _Connector(procrastinate.PsycopgConnector):
    """Lets us hear each notification, also of jobs that another worker takes off the queue.

    It also tells when listening has failed: procrastinate tries once to connect anew, and when the database is away a
    little longer its worker goes on, deaf.
    """

    def __init__(self, url: str, heard: Callable[[], None], deaf: Callable[[], None]) -> None:
        super().__init__(conninfo=url, min_size=1, max_size=2, timeout=POOL_SECONDS)
        self._heard = heard
        self._deaf = deaf

    async def listen_notify(self, on_notification: Any, channels: Iterable[str]) -> None:
        """Listen, and ring at each notification."""

        async def hear(*, channel: str, payload: str) -> None:
            self._heard()
            await on_notification(channel=channel, payload=payload)

        try:
            await super().listen_notify(hear, channels)
        except exceptions.ConnectorException:
            self._deaf()
            raise


class Listener:
    """Rings `wakeup` whenever something is announced, for the time of a with block. Connects again for as long."""

    def __init__(self, url: str, wakeup: Wakeup) -> None:
        """`url` is libpq's (postgresql://...)."""
        self._url = url
        self._wakeup = wakeup
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._ending = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        # What it has to say (tracebacks) is said by us in a sentence.
        for name in ("procrastinate", "psycopg.pool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._stay())

    def _end(self) -> None:
        self._ending.set()
        self._cancel()

    def _cancel(self) -> None:
        if self._listening is not None:
            self._listening.cancel()

    async def _stay(self) -> None:
        warned = False
        while not self._ending.is_set():
            self._listening = asyncio.create_task(self._listen())
            await asyncio.wait({self._listening})
            failure = None if self._listening.cancelled() else self._listening.exception()
            if failure is not None and not warned:
                logger.warning("the queue cannot be heard (%s); trying again", type(failure).__name__)
                warned = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), AGAIN_SECONDS)

    async def _listen(self) -> None:
        app = procrastinate.App(connector=_Connector(self._url, self._wakeup.ring, self._cancel))

        @app.task(name=TASK, queue=QUEUE)
        async def due(issue: int | None = None) -> None:
            """Somebody announced that something is due; what it is stands in the outbox's rows."""
            del issue
            self._wakeup.ring()

        try:  # no `async with`: told to end while it connects, that would leave the pool's tasks behind
            await app.open_async()
            await _sweep(app)
            await app.run_worker_async(queues=[QUEUE], delete_jobs="always", install_signal_handlers=False)
        finally:
            await app.close_async()


async def _sweep(app: procrastinate.App) -> None:
    """Remove the jobs of workers that were killed between taking a job and finishing it; procrastinate keeps them."""
    for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS):
        with suppress(exceptions.ConnectorException):  # another worker has swept it
            await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
