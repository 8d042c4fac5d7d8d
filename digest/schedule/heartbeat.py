"""Heartbeat of a run: a thread that updates issue_run while the steps work."""

import logging
import threading
from datetime import timedelta
from types import TracebackType
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from digest.runtime.db import session_scope
from digest.schedule import runs

logger = logging.getLogger(__name__)

_BEATS = 4
"""Heartbeats in the time after which another process takes over: a few may be late or lost."""


class Heartbeat:
    """Beats while the `with` block lasts. `lost`: another process has taken the run over."""

    def __init__(self, engine: Engine, run: runs.IssueRun, silent: timedelta) -> None:
        assert run.id is not None  # noqa: S101 - read from the database
        self._engine = engine
        self._id, self._by = run.id, run.claimed_by
        self._every = silent.total_seconds() / _BEATS
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.lost = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._every):
            try:
                with session_scope(self._engine) as session:
                    self.lost = not runs.beat(session, self._id, self._by)
            except DBAPIError as error:  # away, or busy with a long transaction: the next beat may come through
                logger.warning("the heartbeat could not be recorded: %s", type(error.orig).__name__)
            if self.lost:
                return
