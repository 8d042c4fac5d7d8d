"""A delivery worker with all its parts, started by a send, by itself or by the schedule. It builds no issue."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from digest.delivery.transport import Carrier
from digest.delivery.wakeup.event import Wakeup
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
from digest.send.context import SendContext

NEWS_SECONDS = 10.0
"""How often to look, during a send, for what operators should hear before its end."""


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What a worker did: promises by the state they went into, how many are uncertain, and when more is due."""

    outcomes: Mapping[State, int]
    uncertain: int
    next_due: datetime | None
    stopped: bool

    @property
    def words(self) -> str:
        """The outcomes for a person; empty if there were none."""
        return ", ".join(f"{count} {state}" for state, count in self.outcomes.items() if count)

    def as_json(self) -> dict[str, object]:
        """Return it as `worker --json` prints it."""
        outcomes = {state.value: count for state, count in self.outcomes.items()}
        return {"outcomes": outcomes, "uncertain": self.uncertain, "next_due": self.next_due, "stopped": self.stopped}


@dataclass(frozen=True, slots=True)
class StayResult:
    """What a worker did that stayed: all its outcomes, and when more is due."""

    outcomes: Mapping[State, int]
    next_due: datetime | None

    def as_json(self) -> dict[str, object]:
        """Return it as `worker --stay --json` prints it."""
        return {"outcomes": {state.value: count for state, count in self.outcomes.items()}, "next_due": self.next_due}


def deliver(
    context: SendContext,
    issue_id: int,
    carrier: Carrier,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool] = lambda: False,
) -> WorkerRun:
    """Deliver notices and an issue until nothing is due, the relay gives up, or a signal says stop.

    `stopping` is asked once, when signals begin to reach the worker: had one come before, it would work to the end.
    """
    return _deliver_all(context, [issue_id], carrier, progress, stopping)


def _deliver_all(
    context: SendContext,
    issues: Sequence[int],
    carrier: Carrier,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool],
) -> WorkerRun:
    watching = _Watching(context, issues, progress)
    with (
        context.notifier.webhook.beside(),
        context.delivery.worker(carrier, watching, writer_on_demand=not issues) as worker,
        stopping_on_signals(worker.stop),
    ):
        if stopping():
            worker.stop()
        run = worker.deliver_all(issues)
        _tell(context, issues, worker, watching, run)
        return run


def work(
    context: SendContext,
    number: int | None,
    *,
    relay: str,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool] = lambda: False,
) -> WorkResult:
    """Deliver whatever is due, of every issue that is being sent (or of one), and all notices; return the outcomes.
    Requests for another address that came to nothing are forgotten, since somebody has to look at the clock.
    `stopping` is that of `deliver`.
    """
    issues = _issues(context, number)
    forget_expired(context.delivery)
    run = _deliver_all(context, issues, context.delivery.carrier(relay), progress, stopping)
    uncertain = _count(context, issues, {State.UNCERTAIN})
    return WorkResult(dict.fromkeys(State, 0) | run.outcomes, uncertain, run.next_due, run.stopped)


class _Watching:
    """Passes progress on until the issues are done: mails to operators about them are not part of it.

    A send may take hours: that deliveries are uncertain is told while it goes on, once; its end tells how many.
    """

    def __init__(
        self, context: SendContext, issues: Sequence[int], progress: Callable[[DeliveryProgress], None]
    ) -> None:
        self._context = context
        self._issues = issues
        self._progress = progress
        self._has_told = False
        self._looked_at = context.clock.monotonic()
        self.is_over = False

    def __call__(self, progress: DeliveryProgress) -> None:
        if self.is_over:
            return
        self._progress(progress)
        moment = self._context.clock.monotonic()
        if not self._has_told and moment - self._looked_at >= NEWS_SECONDS:
            self._looked_at = moment
            with suppress(DBAPIError, DigestError):  # it is away: that is the worker's to say, and the end tells it
                self._has_told = operator_events.tell_of(self._context, self._issues)


def _tell(context: SendContext, issues: Sequence[int], worker: Worker, watching: _Watching, run: WorkerRun) -> None:
    """Tell the operators what has come of the issues, and send them their mails at once."""
    if operator_events.tell_of(context, issues) and not run.stopped:
        watching.is_over = True
        worker.deliver_notices()


@dataclass(frozen=True, slots=True)
class NotificationTest:
    """A test event: what became of it, and the failure of the relay if it failed."""

    status: operator_events.EventStatus
    failure: str

    def as_json(self) -> dict[str, object]:
        """Return it as `tell --test --json` prints it."""
        return self.status.as_json() | {"failure": self.failure}


def try_telling(context: SendContext, *, relay: str = "") -> NotificationTest:
    """Tell the operators an event that says it is a test, now; return what became of each mail and of the webhook."""
    operators = context.delivery.settings.operators
    if not operators.addresses and not operators.webhook:
        raise ConfigError("Nobody is to be told", hint="Set addresses or webhook under [operators] in digest.toml.")
    event = Event(EventKind.TEST, context.clock.now(), occasion=new_attempt_id())
    with session_scope(context.engine) as session:
        context.notifier.tell(session, event)
    context.notifier.webhook.look()
    failure = ""
    try:
        if operators.addresses:
            with context.delivery.worker(context.delivery.carrier(relay), lambda _progress: None) as worker:
                worker.deliver_notices()
    except EnvironmentFailedError as error:
        failure = error.message
    with session_scope(context.engine, read_only=True) as session:
        return NotificationTest(operator_events.status_of(session, event), failure)


def due(context: SendContext, number: int | None) -> int:
    """Return how many deliveries are still to be made, of every issue that is being sent or of one."""
    return _count(context, _issues(context, number), DUE)


def _count(context: SendContext, issues: Sequence[int], states: Collection[State]) -> int:
    with session_scope(context.engine, read_only=True) as session:
        return sum(store.counts(session, issue_id)[state] for issue_id in issues for state in states)


def _issues(context: SendContext, number: int | None) -> list[int]:
    with session_scope(context.engine, read_only=True) as session:
        return store.sending(session) if number is None else [issue_store.find(session, number).id or 0]


def stay(context: SendContext, number: int | None, *, relay: str, say: Callable[[str], None]) -> StayResult:
    """Deliver whatever becomes due (of one issue, or of all, and notices) until stopped; return all outcomes.

    `say` gets a line for a person whenever something was done. A relay that refuses us ends it, and so does a schema
    that is newer than this version, before anything is taken.
    """
    wakeup, outcomes = Wakeup(), Counter[State](dict.fromkeys(State, 0))
    upcoming: datetime | None = None

    def deliver() -> None:
        nonlocal upcoming
        # the schema may have been upgraded since we began: whoever starts us again has the new version
        check_revision(context.engine)
        done = work(context, number, relay=relay, progress=lambda _settled: None, stopping=lambda: wakeup.stopping)
        outcomes.update(done.outcomes)
        if done.words or done.next_due != upcoming:
            say(_line(done.words, done.next_due))
        upcoming = done.next_due

    dispatcher = context.delivery.dispatcher
    with context.notifier.webhook.beside(), stopping_on_signals(wakeup.stop):
        say(f"Staying. Woken by {dispatcher.how}. SIGTERM or Ctrl-C stops it after the message on the wire.")
        dispatcher.run(deliver, wakeup, say, only=number)
    say("Stopped.")
    return StayResult(dict(outcomes), upcoming)


def _line(counts: str, upcoming: datetime | None) -> str:
    later = f" More is due at {upcoming.isoformat(timespec='seconds')}." if upcoming else ""
    return f"{counts or 'Nothing was due'}.{later}"
