"""`digest send`: freeze an approved issue if that is still to be done, then deliver it."""

from collections.abc import Callable
from dataclasses import dataclass

from digest.delivery.canary import Judgement
from digest.delivery.transport import Carrier
from digest.delivery.worker.progress import DeliveryProgress
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.notify import Event, EventKind
from digest.outbox import store
from digest.outbox.states import DUE
from digest.publish import freeze, lifecycle
from digest.publish.audience import audience_of
from digest.publish.build import Build
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from digest.send.canary import watch
from digest.send.context import SendContext
from digest.send.data_loss import look_for_loss
from digest.send.status import IssueStatus, status
from digest.send.worker import deliver


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of a send: the issue's status, whether it was stopped, and the canary's judgement if one was made."""

    status: IssueStatus
    stopped: bool
    judgement: Judgement | None

    def as_json(self) -> dict[str, object]:
        judgement = self.judgement
        canary = {"verdict": judgement.verdict.value, "why": judgement.why} if judgement else None
        return self.status.as_json() | {"stopped": self.stopped, "canary": canary}


@dataclass(frozen=True, slots=True)
class PreparedSend:
    """A send that only has to be confirmed: the issue, how many are due and excluded, and the transport."""

    context: SendContext
    number: int
    issue_id: int
    due: int
    excluded: int
    carrier: Carrier
    to_freeze: bool
    made: Build | None = None  # what is frozen, unless something changes until then

    @property
    def way(self) -> str:
        """The relays' names, for a person to confirm."""
        return " and ".join(self.carrier.relays)

    def run(self, progress: Callable[[DeliveryProgress], None]) -> SendResult:
        """Start, deliver until nothing is due, and return the result."""
        self.start()
        watch(self.context, self.number)  # the wait for a canary of an earlier call may be over
        run = deliver(self.context, self.issue_id, self.carrier, progress)
        judgement = None if run.stopped else watch(self.context, self.number)
        return SendResult(status(self.context, self.number), run.stopped, judgement)

    def start(self) -> None:
        """Freeze if that is still to be done, and let every worker take deliveries."""
        if self.to_freeze:
            with session_scope(self.context.engine) as session:
                issue = issue_store.find(session, self.number, lock=True)
                # else another process was quicker, and we deliver beside it; a draft is refused by freeze
                if issue.state in {IssueState.DRAFT, IssueState.APPROVED}:
                    freeze.freeze(self.context.publisher, session, issue, self.context.clock.now(), self.made)
                refuse_finished(issue)
        with session_scope(self.context.engine) as session:
            issue = issue_store.find(session, self.number, lock=True)
            if issue.state == IssueState.FROZEN:
                numbers = {"planned": issue.planned or 0, "excluded": sum(issue.excluded.values())}
                now = self.context.clock.now()
                started = Event(EventKind.STARTED, now, issue.number, issue.period, numbers=numbers)
                self.context.notifier.tell(session, started)
            lifecycle.start_sending(session, issue)
            self.context.delivery.dispatcher.announce(session, self.number)


def refuse_finished(issue: Issue) -> None:
    """Raise RefusedError for an issue that is withdrawn or sent."""
    if issue.state == IssueState.WITHDRAWN:
        raise RefusedError(f"Issue {issue.number} is withdrawn; nothing more of it is sent")
    if issue.state == IssueState.SENT:
        hint = f"To see its state: digest outbox status {issue.number}"
        raise RefusedError(f"Issue {issue.number} has already been sent; no reader gets it twice", hint=hint)


def prepare_send(context: SendContext, number: int | None, *, relay: str = "") -> PreparedSend:
    """Return the send, not yet started. Raises RefusedError unless the issue may be sent as it is."""
    look_for_loss(context)
    now = context.clock.now()
    with session_scope(context.engine) as session:
        issue = issue_store.find(session, number)
        assert issue.id is not None  # noqa: S101 - read from the database
        refuse_finished(issue)
        to_freeze = issue.state in {IssueState.DRAFT, IssueState.APPROVED}
        made = None
        if to_freeze:
            made = freeze.sendable(context.publisher, session, issue, now)
            due = sum(edition.readers for edition in made.editions)
            excluded = sum(audience_of(session, issue, now).excluded.values())
        else:
            counted = store.counts(session, issue.id)
            due, excluded = sum(counted[state] for state in DUE), sum(issue.excluded.values())
    return PreparedSend(
        context, issue.number, issue.id, due, excluded, context.delivery.carrier(relay), to_freeze, made
    )
