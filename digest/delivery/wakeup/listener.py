"""Listener of the queue: procrastinate's worker in a thread, which rings a Wakeup. It does no work itself."""

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
"""Seconds; a job is `doing` for milliseconds, and procrastinate's workers beat every 10 s."""
POOL_SECONDS = 5.0
END_SECONDS = 10.0


class _Connector(procrastinate.PsycopgConnector):
    """Reports each notification, also of jobs that another worker takes off the queue, and a failed LISTEN.

    Procrastinate reconnects only once; when the database is away longer, its worker goes on without notifications.
    """

    def __init__(self, url: str, heard: Callable[[], None], lost: Callable[[], None]) -> None:
        super().__init__(conninfo=url, min_size=1, max_size=2, timeout=POOL_SECONDS)
        self._heard = heard
        self._lost = lost

    async def listen_notify(self, on_notification: Any, channels: Iterable[str]) -> None:

        async def hear(*, channel: str, payload: str) -> None:
            self._heard()
            await on_notification(channel=channel, payload=payload)

        try:
            await super().listen_notify(hear, channels)
        except exceptions.ConnectorException:
            self._lost()
            raise


class Listener:
    """Rings `wakeup` at each announcement while its with block lasts; reconnects as long as that takes."""

    def __init__(self, url: str, wakeup: Wakeup) -> None:  # `url` is libpq's (postgresql://...)
        self._url = url
        self._wakeup = wakeup
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._ending = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        # its tracebacks are replaced by a sentence of ours
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
                logger.warning("cannot listen to the queue (%s); trying again", type(failure).__name__)
                warned = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), AGAIN_SECONDS)

    async def _listen(self) -> None:
        app = procrastinate.App(connector=_Connector(self._url, self._wakeup.ring, self._cancel))

        @app.task(name=TASK, queue=QUEUE)
        async def due(issue: int | None = None) -> None:
            """Ring; what is due stands in the outbox's rows."""
            del issue
            self._wakeup.ring()

        try:  # no `async with`: ended while it connects, that would leave the pool's tasks behind
            await app.open_async()
            await _sweep(app)
            await app.run_worker_async(queues=[QUEUE], delete_jobs="always", install_signal_handlers=False)
        finally:
            await app.close_async()


async def _sweep(app: procrastinate.App) -> None:
    """Remove jobs whose worker was killed before finishing them; procrastinate keeps them."""
    for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS):
        with suppress(exceptions.ConnectorException):  # another worker has swept it
            await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
