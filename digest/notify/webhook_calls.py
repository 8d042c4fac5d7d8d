"""Queue of webhook calls: at least once each, with longer and longer pauses, while a worker runs and at its end.

In a thread and transactions of its own: a hanging webhook never holds up a mail. A claim moves the due time on, so that
two workers do not call at once; after a crash the call is due again when this lease ends.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import CursorResult, Engine, select, update
from sqlalchemy.exc import DBAPIError

from digest.notify.models import WebhookCall, WebhookState
from digest.notify.webhook import WebhookAnswer, call, read_secret
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.runtime.errors import ConfigError
from digest.settings.operators import Operators

logger = logging.getLogger(__name__)

PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further try, as Standard Webhooks recommends; three days and a half in all."""
LEASE = timedelta(minutes=2)
LOOK_EVERY = 2.0
MOST_AT_ONCE = 20
CALL = WebhookCall.__table__  # type: ignore[attr-defined]
_WAITS = CALL.c.state == WebhookState.PENDING.value


class WebhookCaller:
    """Makes the calls that are due."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        operators: Operators,
        workspace: Path,
        stamp: Callable[[], float] = time.time,
    ) -> None:
        """`stamp` is the time that receivers compare with theirs: the machine's, also when our clock is moved."""
        self._engine = engine
        self._clock = clock
        self._operators = operators
        self._workspace = workspace
        self._stamp = stamp

    def look(self) -> int:
        """Make the calls that are due; return how many were accepted."""
        url, secret = self._operators.webhook, self._operators.webhook_secret_file
        if not url or not secret:
            return 0
        taken = 0
        for row in self._due():
            if not self._claim(row):
                continue
            try:
                key = read_secret(self._workspace / secret)
            except ConfigError as error:
                answer = WebhookAnswer(None, error.message)
            else:
                answer = call(url, key, f"evt_{row.id}_{_name(row.key)}", int(self._stamp()), row.body.encode())
            self._settle(row, answer)
            taken += answer.is_taken
        return taken

    def _due(self) -> list[Any]:
        query = (
            select(CALL)
            .where(_WAITS, CALL.c.due_at <= self._clock.now())
            .order_by(CALL.c.due_at, CALL.c.id)
            .limit(MOST_AT_ONCE)
        )
        with session_scope(self._engine, read_only=True) as session:
            return list(session.execute(query).all())

    def _claim(self, row: Any) -> bool:
        statement = (
            update(CALL)
            .where(CALL.c.id == row.id, _WAITS, CALL.c.due_at == row.due_at)
            .values(due_at=self._clock.now() + LEASE, attempts=CALL.c.attempts + 1)
        )
        with session_scope(self._engine) as session:
            return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1

    def _settle(self, row: Any, answer: WebhookAnswer) -> None:
        now, tries = self._clock.now(), row.attempts + 1
        values: dict[str, object] = {"answer": answer.words, "settled_at": now}
        if answer.is_taken:
            values["state"] = WebhookState.TOLD.value
        elif answer.is_final or tries > len(PAUSES):
            values["state"] = WebhookState.GIVEN_UP.value
            logger.error("Webhook for %s failed: %s. See `digest doctor`.", row.key, answer.words)
        else:
            values |= {"due_at": now + timedelta(seconds=PAUSES[tries - 1]), "settled_at": None}
            logger.warning("Webhook for %s failed: %s. It will be retried.", row.key, answer.words)
        with session_scope(self._engine) as session:
            session.execute(update(CALL).where(CALL.c.id == row.id, _WAITS).values(values))

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Make calls during the block, and once more at its end."""
        if not self._operators.webhook:
            yield
            return
        ending = threading.Event()
        thread = threading.Thread(target=self._loop, args=(ending,), name="webhook", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def _loop(self, ending: threading.Event) -> None:
        going = True
        while going:
            going = not ending.wait(LOOK_EVERY)
            try:
                self.look()
            except DBAPIError:  # the database is away: the worker reports it, and the rows wait
                continue


def next_due(session: Any) -> datetime | None:
    query = select(CALL.c.due_at).where(_WAITS).order_by(CALL.c.due_at).limit(1)
    moment: datetime | None = session.execute(query).scalar()
    return moment


def _name(key: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in key)[:120]
