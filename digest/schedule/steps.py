"""The steps of a run. Each is idempotent: it does what is left to do, and returns what it waits for."""

from collections.abc import Mapping

from sqlmodel import Session

from digest.delivery.canary import Verdict
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState, state_in_words
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.notify import EventKind
from digest.outbox.states import NEEDS_A_PERSON, UNFINISHED, State
from digest.publish import build, lifecycle
from digest.publish.approval import Approver, changes_since_approval, manifest
from digest.publish.publisher import FindingsBlockError
from digest.runtime.db import session_scope
from digest.runtime.errors import EnvironmentFailedError, RefusedError
from digest.runtime.text import count_of
from digest.schedule.month import BEGUN, MONTHLY, Month, StepPaused, issue_of
from digest.schedule.runs import RunState
from digest.send.canary import watch
from digest.send.operator_events import halted
from digest.send.start import prepare_send
from digest.send.status import status
from digest.send.worker import deliver as deliver_issue
from digest.send.worker import due

BY_ITSELF = "no approval needed: [approval] required = 0"


def assemble(month: Month) -> StepPaused | None:
    """Make the issue, or assemble its draft again, so that late articles get in."""
    with session_scope(month.context.engine) as session:
        issue = issue_of(session, month.run)
        if month.run.schedule == MONTHLY and (issue is None or issue.state == IssueState.DRAFT):
            issue = _assemble(month, session)
        if issue is None:
            return StepPaused("its issue no longer exists", person=True, state=RunState.FAILED)
        articles = len(issue_store.items_of(session, issue))
    month.run.issue_id = issue.id
    if issue.state == IssueState.WITHDRAWN:
        return _withdrawn(issue)
    if issue.state not in BEGUN:  # else it was sent by hand, before its time
        why = f"issue {issue.number} has {count_of(articles, 'article')} and is due at {_local(month)}"
        month.tell(EventKind.ASSEMBLED, why, issue=issue.number, numbers={"articles": articles})
    return None


def _assemble(month: Month, session: Session) -> Issue:
    period, zone = Period.parse(month.run.period), month.context.delivery.settings.publication.zone
    day = month.plan.due_at.astimezone(zone).date()
    return lifecycle.assemble(month.context.publisher, session, period, number=None, issue_date=day, now=month.now)


def _withdrawn(issue: Issue) -> StepPaused:
    return StepPaused(f"issue {issue.number} is withdrawn", state=RunState.DONE)


def check(month: Month) -> StepPaused | None:
    """Note the checks' findings on a draft, at first and again with each reminder. Nothing waits for it."""
    issue = month.issue()
    occasion = _occasion(month)
    if issue.state != IssueState.DRAFT or (month.noted("checked") or {}).get("occasion") == occasion:
        return None
    with session_scope(month.context.engine, read_only=True) as session:
        made = build.build(month.context.publisher, session, issue, month.now)
    readers = sum(edition.readers for edition in made.editions)
    blocking = [finding.message for finding in made.blocking]
    numbers = {"editions": len(made.editions), "readers": readers, "blocking": len(blocking)}
    month.note(checked={"occasion": occasion, "first": blocking[0] if blocking else "", **numbers})
    return None


def _occasion(month: Month) -> str:
    """Return which reminder is due, empty before the first."""
    if month.is_due:
        return "due"
    passed = [place for place, at in enumerate(month.plan.reminders, start=1) if at <= month.now]
    return f"reminder-{passed[-1]}" if passed else ""


def approve(month: Month) -> StepPaused | None:
    """Wait for the approval and for the time to send; remind editors; approve by itself where none is required."""
    issue = month.issue()
    if issue.state in BEGUN:  # by hand
        return None
    approved = issue.state == IssueState.APPROVED
    if not month.is_due:
        return _before(month, issue, approved=approved)
    if approved:
        return None
    if month.context.delivery.settings.approval.required == 0:
        return _approve_by_itself(month, issue)
    why = f"issue {issue.number} is waiting for approval"
    _remind(month, issue, f"{why}; it was due at {_local(month)}")
    return StepPaused(why, person=True)


def _before(month: Month, issue: Issue, *, approved: bool) -> StepPaused:
    when, changed = _local(month), _changed(month, issue)
    if approved and not changed:
        return StepPaused(f"issue {issue.number} is approved and is due at {when}")
    first = "" if approved else (month.noted("checked") or {}).get("first", "")
    if month.context.delivery.settings.approval.required == 0 and not first and not changed:
        return StepPaused(f"issue {issue.number} is due at {when}, unless a check blocks it")
    why = f"issue {issue.number} is waiting for approval; it is due at {when}"
    if changed:
        why = f"issue {issue.number} is {state_in_words(issue.state, changed)}; it was due at {when}"
    if first:
        why += f"; blocked by a check: {first}"
    _remind(month, issue, why)
    return StepPaused(why)


def _changed(month: Month, issue: Issue) -> list[str]:
    publisher = month.context.publisher
    with session_scope(month.context.engine, read_only=True) as session:
        parts = manifest(session, issue, publisher.settings, publisher.templates)
    return changes_since_approval(issue, parts)


def _remind(month: Month, issue: Issue, why: str) -> None:
    occasion = _occasion(month)
    if occasion:
        numbers = _checked(month)
        look = (f"digest issue check {issue.number}", f"digest preview {issue.number}")
        commands = look if numbers.get("blocking") else ()  # approving would be refused
        month.tell(
            EventKind.NEEDS_APPROVAL, why, issue=issue.number, occasion=occasion, numbers=numbers, commands=commands
        )


def _checked(month: Month) -> Mapping[str, int]:
    noted = month.noted("checked") or {}
    return {name: noted[name] for name in ("editions", "readers", "blocking") if name in noted}


def _approve_by_itself(month: Month, issue: Issue) -> StepPaused | None:
    try:
        with session_scope(month.context.engine) as session:
            locked = issue_store.find(session, issue.number, lock=True)
            if locked.state == IssueState.DRAFT:
                lifecycle.approve(month.context.publisher, session, locked, Approver(BY_ITSELF), month.now)
                month.note(approved_by=BY_ITSELF)
    except FindingsBlockError as error:
        _remind(month, issue, error.message)
        return StepPaused(error.message, person=True)
    return None


def freeze(month: Month) -> StepPaused | None:
    """Freeze the audience and start sending; refused unless the issue is what was approved."""
    issue = month.issue()
    if issue.state == IssueState.WITHDRAWN:
        return _withdrawn(issue)
    if issue.state in {IssueState.SENDING, IssueState.SENT}:
        _tell_started(month, issue)
        return None
    try:
        prepare_send(month.context, issue.number).start()
    except RefusedError as error:
        month.tell(EventKind.NEEDS_APPROVAL, error.message, issue=issue.number, occasion="refused")
        return StepPaused(error.message, person=True)
    _tell_started(month, month.issue())
    return None


def _tell_started(month: Month, issue: Issue) -> None:
    if month.has_told(EventKind.STARTED):
        return
    planned = status(month.context, issue.number).planned
    month.note(approved_by=issue.approved_by or "", planned=planned)
    why = f"issue {issue.number} goes to {count_of(planned, 'reader')}; approved by {issue.approved_by}"
    month.tell(EventKind.STARTED, why, issue=issue.number, numbers={"planned": planned})


def canary(month: Month) -> StepPaused | None:
    """Send to the canary, if there is one; its judgement releases the rest or holds it for a person."""
    issue = month.issue()
    if issue.rest_at is None or issue.state != IssueState.SENDING or issue.held:
        return None
    if wait := _deliver(month, issue):
        return wait
    judgement = watch(month.context, issue.number)
    if judgement is None:
        return None
    if judgement.verdict == Verdict.GO:
        month.note(canary=judgement.why)
        return None
    if judgement.verdict == Verdict.HALT:
        return _held(month, month.issue())
    until = issue.rest_at.astimezone(month.context.delivery.settings.publication.zone).isoformat(" ", "minutes")
    more = f": {judgement.why}" if judgement.why else ""
    return StepPaused(f"issue {issue.number} went to its canary group; the rest waits until {until}{more}")


def deliver(month: Month) -> StepPaused | None:
    """Deliver until nothing is due; deferred deliveries, and those of a later window, are left to a later tick."""
    issue = month.issue()
    if issue.state == IssueState.WITHDRAWN:
        return _withdrawn(issue)
    if issue.state == IssueState.SENT:
        return None
    if not issue.held:
        if wait := _deliver(month, issue):
            return wait
        issue = month.issue()
    if issue.held:
        return _held(month, issue)
    counted = status(month.context, issue.number).reached
    if UNFINISHED & counted.keys():
        return StepPaused(f"issue {issue.number}: {_counts(counted)}")
    return None


def _deliver(month: Month, issue: Issue) -> StepPaused | None:
    month.listener.expect(due(month.context, issue.number))
    carrier = month.context.delivery.carrier()
    try:
        run = deliver_issue(month.context, issue.id or 0, carrier, month.listener, month.stopping)
    except EnvironmentFailedError as error:
        # nothing is held: there is nothing to release
        commands = (f"digest outbox status {issue.number}", "digest doctor")
        month.tell(EventKind.HALTED, error.message, issue=issue.number, occasion="environment", commands=commands)
        return StepPaused(error.message, person=True)
    return StepPaused(f"issue {issue.number}: delivery was stopped; the next tick resumes") if run.stopped else None


def _held(month: Month, issue: Issue) -> StepPaused:
    with session_scope(month.context.engine, read_only=True) as session:
        event = halted(session, issue, month.now)
    month.note(halted=issue.held_reason)
    month.tell(event.kind, event.why, issue=issue.number, occasion=event.occasion, commands=event.commands)
    return StepPaused(f"{event.why}; what to do: digest outbox status {issue.number}", person=True)


def report(month: Month) -> StepPaused:
    """Note the final numbers of deliveries with the run, and send them to operators."""
    issue = month.issue()
    now = status(month.context, issue.number)
    counted, excluded = now.reached, sum(now.excluded.values())
    numbers = {"planned": now.planned, **{state.value: count for state, count in counted.items()}}
    why = f"issue {issue.number}: {_counts(counted)}" + (f"; {excluded} excluded" if excluded else "")
    month.note(report={**numbers, "excluded": excluded})
    month.tell(EventKind.FINISHED, why, issue=issue.number, numbers={**numbers, "excluded": excluded})
    return StepPaused(why, person=any(counted.get(one) for one in NEEDS_A_PERSON), state=RunState.DONE)


def _counts(counted: Mapping[State, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counted.items()) or "no reader gets it"


def _local(month: Month) -> str:
    return month.run.due_at.astimezone(month.context.delivery.settings.publication.zone).isoformat(" ", "minutes")
