"""From an approved issue to kept promises: freeze, deliver, report; the test mail."""

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from digest.app import Works, new_ref
from digest.delivery.configured import carrier_of, transport_of
from digest.delivery.transport import Carrier, Reply
from digest.delivery.worker.progress import Tally
from digest.editions.segment import Reading
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.notify import Event, EventKind
from digest.outbox import store
from digest.outbox.states import DUE, State
from digest.outbox.take import Reader
from digest.publish import freeze
from digest.runtime.db import session_scope
from digest.runtime.errors import NotFoundError, RefusedError, UsageError
from digest.send.canary import watch
from digest.send.status import status
from digest.send.worker import deliver
from subscribers.address import EmailAddress
from subscribers.models import Frequency


@dataclass(frozen=True, slots=True)
class Sending:
    """A delivery that is ready to go: which issue, how many are due, how many are excluded, and by which way."""

    works: Works
    number: int
    issue_id: int
    due: int
    excluded: int
    carrier: Carrier
    to_freeze: bool

    @property
    def way(self) -> str:
        """Where the mail goes, for a person to confirm."""
        return " and ".join(self.carrier.relays)

    def run(self, progress: Callable[[Tally], None]) -> dict[str, Any]:
        """Start, deliver until nothing is due, and return how the issue stands."""
        self.start()
        watch(self.works, self.number)  # a canary that was sent by an earlier call may have been waited for
        run = deliver(self.works, self.issue_id, self.carrier, progress)
        judgement = None if run.stopped else watch(self.works, self.number)
        return {
            **status(self.works, self.number),
            "stopped": run.stopped,
            "canary": {"verdict": judgement.verdict.value, "why": judgement.why} if judgement else None,
        }

    def start(self) -> None:
        """Freeze if that is still to be done, and let every worker take deliveries."""
        dispatcher = self.works.dispatcher
        if self.to_freeze:
            with session_scope(self.works.engine) as session:
                issue = issue_store.find(session, self.number, lock=True)
                # else somebody else was quicker, and we deliver beside them; a draft is refused by freeze
                if issue.state in {IssueState.DRAFT, IssueState.APPROVED}:
                    freeze.freeze(self.works.press, session, issue, self.works.clock.now())
                refuse_finished(issue)
        with session_scope(self.works.engine) as session:
            issue = issue_store.find(session, self.number, lock=True)
            if issue.state == IssueState.FROZEN:
                numbers = {"planned": issue.planned or 0, "excluded": sum(issue.excluded.values())}
                started = Event(EventKind.STARTED, self.works.clock.now(), issue.number, issue.period, numbers=numbers)
                self.works.tell(session, started)
            freeze.start_sending(session, issue)
            dispatcher.announce(session, self.number)


def refuse_finished(issue: Issue) -> None:
    """Raise for an issue of which nothing is to be sent any more."""
    if issue.state == IssueState.WITHDRAWN:
        raise RefusedError(f"Issue {issue.number} is withdrawn; nothing of it is sent any more")
    if issue.state == IssueState.SENT:
        hint = f"`digest outbox status {issue.number}` shows how it stands."
        raise RefusedError(f"Issue {issue.number} was sent already; nobody gets it twice", hint=hint)


def prepare_send(works: Works, number: int | None, *, relay: str = "") -> Sending:
    """Return what `digest send` is about to do. Raises RefusedError unless the issue may be sent as it is."""
    now = works.clock.now()
    with session_scope(works.engine) as session:
        issue = issue_store.find(session, number)
        assert issue.id is not None  # noqa: S101 - read from the database
        refuse_finished(issue)
        to_freeze = issue.state in {IssueState.DRAFT, IssueState.APPROVED}
        if to_freeze:
            made = freeze.sendable(works.press, session, issue, now)
            due = sum(edition.readers for edition in made.editions)
            excluded = sum(freeze.exclusions(session, issue, now).values())
        else:
            counted = store.counts(session, issue.id)
            due, excluded = sum(counted[state] for state in DUE), sum(issue.excluded.values())
    return Sending(works, issue.number, issue.id, due, excluded, carrier_of(works, relay), to_freeze)


def issue_of(session: Session, ids: Sequence[int], number: int | None, states: Collection[State]) -> Issue:
    """Return the issue that an operator means: that of the deliveries named, else `number`, else the newest delivered.

    Raises UsageError when deliveries are named that are not in one of `states`, or not of one issue.
    """
    rows = [store.show(session, delivery_id)[0] for delivery_id in ids]
    for row in rows:
        if row.state not in states:
            wanted = " or ".join(sorted(states))
            raise UsageError(f"Delivery {row.id} is {row.state}, not {wanted}", hint=f"digest outbox show {row.id}")
    numbers = {row.number for row in rows} | ({number} if number is not None else set())
    if len(numbers) > 1:
        raise UsageError(f"These belong to several issues: {', '.join(map(str, sorted(numbers)))}")
    return issue_store.find_delivered(session, numbers.pop() if numbers else None)


def deliveries(works: Works, number: int | None, state: State | None) -> list[dict[str, Any]]:
    """Return an issue's deliveries as `outbox list --json` prints them."""
    with session_scope(works.engine, read_only=True) as session:
        issue = issue_store.find_delivered(session, number)
        rows = store.listing(session, issue.id or 0, state)
    return [_delivery_json(works, row) for row in rows]


def delivery(works: Works, delivery_id: int) -> dict[str, Any]:
    """Return one delivery with its attempts."""
    with session_scope(works.engine, read_only=True) as session:
        row, tries = store.show(session, delivery_id)
    attempts = [{name: getattr(one, name) for name in one.__dataclass_fields__} for one in tries]
    return {**_delivery_json(works, row), "due_at": row.due_at, "started_at": row.started_at, "tries": attempts}


def _delivery_json(works: Works, row: store.Standing) -> dict[str, Any]:
    return {
        "id": row.id,
        "subscriber": row.ref,
        "address": row.address,
        "edition": row.edition_id,
        "state": row.state.value,
        "reason": row.reason,
        "message_id": works.letters.message_id(row.number, row.ref),
        "attempts": row.attempts,
    }


def send_test(
    works: Works,
    number: int | None,
    to: str,
    *,
    interests: str,
    language: str,
    relay: str,
    frequency: str = Frequency.EVERY.value,
) -> Reply:
    """Send one edition to an editor: the same bytes, marked as a test, with links that lead nowhere near a reader."""
    address = EmailAddress.parse(to).address
    wanted = works.press.catalogue.canonical(works.press.catalogue.choose(interests))
    language = language or works.settings.publication.language
    with session_scope(works.engine, read_only=True) as session:
        issue = issue_store.find(session, number)
        selection = freeze.selection_for(works.press, session, issue, Reading(language, wanted, frequency))
        if selection is None:
            raise NotFoundError(f"Issue {issue.number} has nothing for these interests", hint="Try --interests '*'.")
        rendered = freeze.stored_rendering(session, issue, selection)
        if rendered is None:
            _, rendered = freeze.render_selection(works.press, freeze.content_of(session, issue), selection)
    reader = Reader(ref=new_ref(), address=address, name="", language=language, format="html", interests=wanted)
    letter = works.letters.test(issue.number, rendered, reader, secrets.token_hex(8), works.clock.now())
    transport = transport_of(works, relay)
    try:
        return transport.send(letter.envelope, letter.message)
    finally:
        transport.close()
