"""Dispatcher on PostgreSQL: procrastinate jobs, deferred in the caller's transaction, wake every worker."""

import logging

import procrastinate
from procrastinate import exceptions
from sqlalchemy import Engine, event, text
from sqlmodel import Session

from digest.delivery.wakeup.event import Wakeup
from digest.delivery.wakeup.listener import QUEUE, TASK, Listener
from digest.delivery.wakeup.local import LOOK_EVERY, LocalDispatcher, pauses, sentence
from digest.delivery.wakeup.protocol import Say, Work
from digest.runtime.clock import Clock
from digest.runtime.db import AWAY
from digest.runtime.queue_schema import QueueSchema, schema_state

logger = logging.getLogger(__name__)

LOOK_EVERY_WHEN_WOKEN = 5.0
"""Seconds between two polls beside the queue: the longest delay by a lost job."""
_ANNOUNCED = "digest_announced"
# Queried first, because a violated constraint stands as an error in the server's log: once for each sign-up.
_WAITING = text("SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = :lock AND status = 'todo' LIMIT 1")
_HAS_TABLE = text("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")


def lock_of(number: int | None) -> str:
    """Return the queueing lock: at most one job of each kind of announcement waits."""
    return "notices" if number is None else f"issue {number}"


class QueueDispatcher(LocalDispatcher):
    """A job says "something of issue N is due" and nothing else; lost, doubled or repeated jobs are harmless.

    Every running worker is notified, and one of them takes the job off the queue at once: no job is `doing` while mail
    is sent, and a killed worker leaves none behind.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine, clock)
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._warned = False
        self._every = LOOK_EVERY_WHEN_WOKEN

    @property
    def how(self) -> str:
        return f"PostgreSQL's notifications (procrastinate), and {super().how}"

    def announce(self, session: Session, number: int | None) -> None:
        """Put a job on the queue as the last thing in the caller's transaction.

        Last, because another transaction with the same announcement waits for ours: with nothing left to lock, that is
        short and never a deadlock.
        """
        if _ANNOUNCED not in session.info:
            session.info[_ANNOUNCED] = set()
            event.listen(session, "before_commit", self._put_on_queue, once=True)
            event.listen(session, "after_rollback", _forget, once=True)
        session.info[_ANNOUNCED].add(number)

    def _put_on_queue(self, session: Session) -> None:
        numbers = session.info.pop(_ANNOUNCED, set())
        if not numbers:
            return
        session.flush()
        if not session.connection().execute(_HAS_TABLE).scalar_one():
            self._warn("its tables are missing: run `digest db upgrade`")
            return
        for number in sorted(numbers, key=lock_of):
            self._defer(session, number)

    def _defer(self, session: Session, number: int | None) -> None:
        connection = session.connection()
        if connection.execute(_WAITING, {"lock": lock_of(number)}).first():
            return
        raw = connection.connection.driver_connection
        assert raw is not None  # noqa: S101 - the connection is in use
        options = {"queue": QUEUE, "queueing_lock": lock_of(number), "connection": raw}
        try:
            with raw.transaction():  # a savepoint, since the query above has begun a transaction
                self._app.configure_task(TASK, allow_unknown=True, **options).defer(issue=number)
        except exceptions.AlreadyEnqueued:
            return  # another transaction was quicker since the query above
        except exceptions.ConnectorException as error:
            self._warn(f"{error.__cause__ or error}".strip().splitlines()[0])

    def _warn(self, why: str) -> None:
        if not self._warned:
            logger.warning("workers are not woken by the queue, and check the database themselves: %s", why)
        self._warned = True

    def run(self, work: Work, wakeup: Wakeup, say: Say, *, only: int | None = None) -> None:
        """Run; without procrastinate's tables by polling alone."""
        schema = self._schema_when_it_answers(wakeup, say)
        if schema in {QueueSchema.MISSING, QueueSchema.OLDER}:
            say(
                f"The queue's tables are {schema}: run `digest db upgrade`. Until then, the database is "
                f"checked every {LOOK_EVERY:g} s."
            )
            self._every = LOOK_EVERY
            super().run(work, wakeup, say, only=only)
            return
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with Listener(url, wakeup):
            super().run(work, wakeup, say, only=only)

    def _schema_when_it_answers(self, wakeup: Wakeup, say: Say) -> QueueSchema | None:
        """Return the state of the queue's tables; None if stopped before the database answered."""
        away = False
        for pause in pauses():
            if wakeup.stopping:
                break
            try:
                with self._engine.connect() as connection:
                    schema = schema_state(connection)
            except AWAY as error:
                if not away:
                    say(f"{sentence(error)} Waiting until it answers.")
                away = True
                wakeup.wait(pause)
            else:
                if away:
                    say("The database answers again.")
                return schema
        return None


def _forget(session: Session) -> None:
    session.info.pop(_ANNOUNCED, None)
