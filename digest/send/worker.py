"""Delivery worker runs: of one issue, of everything that is due, or until stopped. A worker builds no issue."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from digest.delivery.transport import Carrier
from digest.delivery.wakeup.event import Wakeup
from digest.delivery.worker.progress import DeliveryProgress, WorkerRun
from digest.feedback import consequences, replies
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
from digest.send.data_loss import look_for_loss

NEWS_SECONDS = 10.0
"""How often a send looks for operator events before its end."""


@dataclass(frozen=True, slots=True)
class WorkResult:
    """The result of a worker run: deliveries and notices by new state, how many are uncertain, and when more is due."""

    outcomes: Mapping[State, int]
    uncertain: int
    next_due: datetime | None
    stopped: bool

    @property
    def words(self) -> str:
        """The outcomes in words; empty if there were none."""
        return ", ".join(f"{count} {state}" for state, count in self.outcomes.items() if count)

    def as_json(self) -> dict[str, object]:
        outcomes = {state.value: count for state, count in self.outcomes.items()}
        return {"outcomes": outcomes, "uncertain": self.uncertain, "next_due": self.next_due, "stopped": self.stopped}


@dataclass(frozen=True, slots=True)
class StayResult:
    """The result of `worker --stay`: all its outcomes, and when more is due."""

    outcomes: Mapping[State, int]
    next_due: datetime | None

    def as_json(self) -> dict[str, object]:
        return {"outcomes": {state.value: count for state, count in self.outcomes.items()}, "next_due": self.next_due}


def deliver(
    context: SendContext,
    issue_id: int,
    carrier: Carrier,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool] = lambda: False,
) -> WorkerRun:
    """Deliver notices and an issue until nothing is due, the relay gives up, or a signal stops it.

    `stopping` is asked once, after the signal handlers are installed, for a signal that came before.
    """
    return _deliver_all(context, [issue_id], carrier, progress, stopping)


def _deliver_all(
    context: SendContext,
    issues: Sequence[int],
    carrier: Carrier,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool],
) -> WorkerRun:
    look_for_loss(context)
    relayed = _ProgressRelay(context, issues, progress)
    with (
        context.notifier.webhook.beside(),
        context.delivery.worker(carrier, relayed, on_failed=replies.note, writer_on_demand=not issues) as worker,
        stopping_on_signals(worker.stop),
    ):
        if stopping():
            worker.stop()
        run = worker.deliver_all(issues)
        consequences.draw(context.engine, context.clock.now(), context.delivery.breaker_limits)
        if operator_events.tell_of(context, issues) and not run.stopped:
            relayed.is_over = True
            worker.deliver_notices()  # the mails to operators, at once
        return run


def work(
    context: SendContext,
    number: int | None,
    *,
    relay: str,
    progress: Callable[[DeliveryProgress], None],
    stopping: Callable[[], bool] = lambda: False,
) -> WorkResult:
    """Deliver what is due, of every issue that is being sent (or of one), and all notices; forget expired requests for
    a change of address. `stopping` is that of `deliver`.
    """
    issues = _issues(context, number)
    forget_expired(context.delivery)
    run = _deliver_all(context, issues, context.delivery.carrier(relay), progress, stopping)
    uncertain = _count(context, issues, {State.UNCERTAIN})
    return WorkResult(dict.fromkeys(State, 0) | run.outcomes, uncertain, run.next_due, run.stopped)


class _ProgressRelay:
    """Passes progress on until the issues are done, without the mails to operators.

    A send may take hours: operators hear of uncertain deliveries once while it goes on, and of their number at its end.
    """

    def __init__(
        self, context: SendContext, issues: Sequence[int], progress: Callable[[DeliveryProgress], None]
    ) -> None:
        self._context = context
        self._issues = issues
        self._progress = progress
        self._notified = False
        self._looked_at = context.clock.monotonic()
        self.is_over = False

    def __call__(self, progress: DeliveryProgress) -> None:
        if self.is_over:
            return
        self._progress(progress)
        moment = self._context.clock.monotonic()
        if not self._notified and moment - self._looked_at >= NEWS_SECONDS:
            self._looked_at = moment
            with suppress(DBAPIError, DigestError):  # an unreachable database is the worker's to report
                self._notified = operator_events.tell_of(self._context, self._issues)


@dataclass(frozen=True, slots=True)
class NotificationTest:
    """The status of a test event, and the relay's failure if it failed."""

    status: operator_events.EventStatus
    failure: str

    def as_json(self) -> dict[str, object]:
        return self.status.as_json() | {"failure": self.failure}


def try_telling(context: SendContext, *, relay: str = "") -> NotificationTest:
    """Send the operators a test event now; return the status of each mail and of the webhook call."""
    operators = context.delivery.settings.operators
    if not operators.addresses and not operators.webhook:
        raise ConfigError(
            "There is nobody to notify", hint="Set addresses or webhook under [operators] in digest.toml."
        )
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

    `say` gets a line whenever something was done. A relay that refuses us ends it, and so does a newer schema, before
    anything is taken.
    """
    wakeup, outcomes = Wakeup(), Counter[State](dict.fromkeys(State, 0))
    upcoming: datetime | None = None

    def deliver() -> None:
        nonlocal upcoming
        check_revision(context.engine)  # it may have been upgraded since we began; a restart has the new version
        done = work(context, number, relay=relay, progress=lambda _settled: None, stopping=lambda: wakeup.stopping)
        outcomes.update(done.outcomes)
        if done.words or done.next_due != upcoming:
            say(_line(done.words, done.next_due))
        upcoming = done.next_due

    dispatcher = context.delivery.dispatcher
    with context.notifier.webhook.beside(), stopping_on_signals(wakeup.stop):
        say(f"Running until stopped, woken by {dispatcher.how}. SIGTERM or Ctrl-C stops it after the current message.")
        dispatcher.run(deliver, wakeup, say, only=number)
    say("Stopped.")
    return StayResult(dict(outcomes), upcoming)


def _line(counts: str, upcoming: datetime | None) -> str:
    later = f" More is due at {upcoming.isoformat(timespec='seconds')}." if upcoming else ""
    return f"{counts or 'Nothing was due'}.{later}"
