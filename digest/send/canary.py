"""Watching a canary: look how the first readers' mails fared, and let the rest go, or hold it."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from digest.delivery.canary import Judgement, Thresholds, Verdict, judge
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.outbox import operations, statistics
from digest.runtime.db import session_scope
from digest.send.context import SendContext
from digest.settings.percentages import share


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """An issue whose canary was looked at, and what was found."""

    number: int
    judgement: Judgement


def watch(context: SendContext, number: int) -> Judgement | None:
    """Judge the canary of an issue and act on it; None where none is on its way.

    The verdict opens or holds in one transaction, so that a crash leaves the rest kept back.
    """
    dispatcher = context.delivery.dispatcher
    with session_scope(context.engine) as session:
        issue = issue_store.find(session, number, lock=True)
        if issue.rest_at is None or issue.state != IssueState.SENDING or issue.held:
            return None
        judgement = _judge(context, session, issue)
        if judgement.verdict == Verdict.WAIT:
            return judgement
        # held or open: from here on nothing is kept back by its time only, and a release lets all of it go
        issue.rest_at = None
        session.add(issue)
        session.flush()
        if judgement.verdict == Verdict.HALT:
            operations.hold(session, issue.id or 0)
        else:
            dispatcher.announce(session, number)
        return judgement


def _judge(context: SendContext, session: Session, issue: Issue) -> Judgement:
    rules, now = context.delivery.settings.delivery, context.clock.now()
    assert issue.rest_at is not None  # noqa: S101 - asked before
    counts = statistics.canary(session, issue.id or 0, issue.rest_at)
    thresholds = Thresholds(share(rules.canary_max_rejected), share(rules.canary_max_deferred))
    return judge(counts, thresholds, waited=now >= issue.rest_at)


def watch_all(context: SendContext) -> list[CanaryResult]:
    """Judge every canary that is on its way, also of issues that were sent by hand."""
    with session_scope(context.engine, read_only=True) as session:
        on_its_way = (Issue.state == IssueState.SENDING, col(Issue.rest_at).is_not(None))
        numbers = session.exec(select(Issue.number).where(*on_its_way)).all()
    found = [(number, watch(context, number)) for number in numbers]
    return [CanaryResult(number, judgement) for number, judgement in found if judgement is not None]
