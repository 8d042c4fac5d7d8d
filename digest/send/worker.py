"""Keeping what was promised: a worker with all its parts. It knows nothing of how an issue is made, nor loads it."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy.exc import DBAPIError

from digest.app import App
from digest.delivery.configured import carrier_of, evidence_of, meter_of
from digest.delivery.transport import Carrier
from digest.delivery.wakeup.event import Wakeup
from digest.delivery.worker.ledger import PAUSES
from digest.delivery.worker.loop import Worker, WorkerRun
from digest.delivery.worker.progress import DeliveryProgress
from digest.issues import store as issue_store
from digest.membership.address_change import forget_expired
from digest.notify import Event, EventKind
from digest.outbox import store
from digest.outbox.states import DUE, State
from digest.outbox.take import new_attempt_id
from digest.runtime.db import check_revision, session_scope
from digest.runtime.errors import ConfigError, DigestError, EnvironmentFailedError
from digest.runtime.signals import stopping_on_signals
from digest.send import operator_events

NEWS_SECONDS = 10.0
"""How often to look, during a send, for what operators should hear before its end."""


def deliver(
    works: App,
    issue_id: int,
    carrier: Carrier,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool] = lambda: False,
) -> WorkerRun:
    """Deliver notices and an issue until nothing is due, the relay gives up, or a signal says stop.

    `stopping` is asked once, when signals begin to reach the worker: had one come before, it would work to the end.
    """
    watching = _Watching(works, [issue_id], progress)
    with works.webhook.beside(), _worker(works, carrier, watching) as worker, stopping_on_signals(worker.stop):
        if stopping():
            worker.stop()
        run = worker.deliver_all([issue_id])
        _tell(works, [issue_id], worker, watching, run)
        return run


def work(
    works: App,
    number: int | None,
    *,
    relay: str,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Deliver whatever is due, of every issue that is being sent (or of one), and all notices; return the outcomes.
    Requests for another address that came to nothing are forgotten, since somebody has to look at the clock.
    `stopping` is that of `deliver`.
    """
    issues = _issues(works, number)
    forget_expired(works)
    watching = _Watching(works, issues, progress)
    carrier = carrier_of(works, relay)
    with works.webhook.beside(), _worker(works, carrier, watching) as worker, stopping_on_signals(worker.stop):
        if stopping():
            worker.stop()
        run = worker.deliver_all(issues)
        _tell(works, issues, worker, watching, run)
    outcomes = {state.value: 0 for state in State} | run.outcomes
    uncertain = _count(works, issues, {State.UNCERTAIN})
    return {"outcomes": outcomes, "uncertain": uncertain, "next_due": run.next_due, "stopped": run.stopped}


class _Watching:
    """Passes progress on until the issues are done: mails to operators about them are not part of it.

    A send may take hours: that deliveries are uncertain is told while it goes on, once; its end tells how many.
    """

    def __init__(self, works: App, issues: Sequence[int], progress: Callable[[DeliveryProgress], None]) -> None:
        self._works = works
        self._issues = issues
        self._progress = progress
        self._has_told = False
        self._looked_at = works.clock.monotonic()
        self.is_over = False

    def __call__(self, tally: DeliveryProgress) -> None:
        if self.is_over:
            return
        self._progress(tally)
        moment = self._works.clock.monotonic()
        if not self._has_told and moment - self._looked_at >= NEWS_SECONDS:
            self._looked_at = moment
            with suppress(DBAPIError, DigestError):  # it is away: that is the worker's to say, and the end tells it
                self._has_told = operator_events.tell_of(self._works, self._issues)


def _tell(works: App, issues: Sequence[int], worker: Worker, watching: _Watching, run: WorkerRun) -> None:
    """Tell the operators what has come of the issues, and send them their mails at once."""
    if operator_events.tell_of(works, issues) and not run.stopped:
        watching.is_over = True
        worker.deliver_notices()


def try_telling(works: App, *, relay: str = "") -> dict[str, Any]:
    """Tell the operators an event that says it is a test, now; return what became of each mail and of the webhook."""
    operators = works.settings.operators
    if not operators.addresses and not operators.webhook:
        raise ConfigError("Nobody is to be told", hint="Set addresses or webhook under [operators] in digest.toml.")
    event = Event(EventKind.TEST, works.clock.now(), occasion=new_attempt_id())
    with session_scope(works.engine) as session:
        works.tell(session, event)
    works.webhook.look()
    failure = ""
    try:
        if operators.addresses:
            with _worker(works, carrier_of(works, relay), lambda _tally: None) as worker:
                worker.deliver_notices()
    except EnvironmentFailedError as error:
        failure = error.message
    with session_scope(works.engine, read_only=True) as session:
        return {**operator_events.standing_of(session, event), "failure": failure}


def due(works: App, number: int | None) -> int:
    """Return how many deliveries are still to be made, of every issue that is being sent or of one."""
    return _count(works, _issues(works, number), DUE)


def _count(works: App, issues: Sequence[int], states: Collection[State]) -> int:
    with session_scope(works.engine, read_only=True) as session:
        return sum(store.counts(session, issue_id)[state] for issue_id in issues for state in states)


def _issues(works: App, number: int | None) -> list[int]:
    with session_scope(works.engine, read_only=True) as session:
        return store.sending(session) if number is None else [issue_store.find(session, number).id or 0]


def _worker(works: App, carrier: Carrier, progress: Callable[[DeliveryProgress], None]) -> Worker:
    patience = works.settings.delivery.patience
    pauses: list[float] = []
    for pause in PAUSES:
        if sum(pauses) + pause <= patience:
            pauses.append(pause)
    return Worker(
        works.engine,
        carrier,
        works.letters,
        works.clock,
        works.place,
        meter=meter_of(works, carrier),
        evidence=evidence_of(carrier),
        progress=progress,
        pauses=tuple(pauses),
    )


def stay(works: App, number: int | None, *, relay: str, told: Callable[[str], None]) -> dict[str, Any]:
    """Deliver whatever becomes due (of one issue, or of all, and notices) until stopped; return all outcomes.

    `told` gets a line for a person whenever something was done. A relay that refuses us ends it, and so does a schema
    that is newer than this version, before anything is taken.
    """
    bell, outcomes = Wakeup(), Counter[str]({state.value: 0 for state in State})
    upcoming: datetime | None = None

    def deliver() -> None:
        nonlocal upcoming
        # the schema may have been upgraded since we began: whoever starts us again has the new version
        check_revision(works.engine)
        done = work(works, number, relay=relay, progress=lambda _settled: None, stopping=lambda: bell.stopping)
        outcomes.update(done["outcomes"])
        counts = ", ".join(f"{count} {outcome}" for outcome, count in done["outcomes"].items() if count)
        if counts or done["next_due"] != upcoming:
            told(_line(counts, done["next_due"]))
        upcoming = done["next_due"]

    with works.webhook.beside(), stopping_on_signals(bell.stop):
        told(f"Staying. Woken by {works.dispatcher.how}. SIGTERM or Ctrl-C stops it after the message on the wire.")
        works.dispatcher.run(deliver, bell, told, only=number)
    told("Stopped.")
    return {"outcomes": dict(outcomes), "next_due": upcoming}


def _line(counts: str, upcoming: datetime | None) -> str:
    later = f" More is due at {upcoming.isoformat(timespec='seconds')}." if upcoming else ""
    return f"{counts or 'Nothing was due'}.{later}"
