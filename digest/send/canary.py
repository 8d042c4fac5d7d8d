"""Canary sends: judge the outcomes of the first recipients, then release the rest or hold it."""

from sqlmodel import Session, col, select

from digest.delivery.canary import Judgement, Thresholds, Verdict, judge
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.outbox import operations, statistics
from digest.runtime.db import session_scope
from digest.send.context import SendContext
from digest.settings.percentages import share


def watch(context: SendContext, number: int) -> Judgement | None:
    """Judge the canary of an issue and act on it, in one transaction; None if it has no canary under way.

    A crash leaves the rest kept back.
    """
    with session_scope(context.engine) as session:
        issue = issue_store.find(session, number, lock=True)
        if issue.rest_at is None or issue.state != IssueState.SENDING or issue.held:
            return None
        judgement = _judge(context, session, issue)
        if judgement.verdict == Verdict.WAIT:
            return judgement
        # from here on nothing is kept back by its time only, and a release lets all of it go
        issue.rest_at = None
        session.add(issue)
        session.flush()
        if judgement.verdict == Verdict.HALT:
            operations.hold(session, issue.id or 0, f"canary: {judgement.why}")
        else:
            context.delivery.dispatcher.announce(session, number)
        return judgement


def _judge(context: SendContext, session: Session, issue: Issue) -> Judgement:
    rules, now = context.delivery.settings.delivery, context.clock.now()
    assert issue.rest_at is not None  # noqa: S101 - asked before
    counts = statistics.canary(session, issue.id or 0, issue.rest_at)
    thresholds = Thresholds(share(rules.canary_max_rejected), share(rules.canary_max_deferred))
    return judge(counts, thresholds, waited=now >= issue.rest_at)


def watch_all(context: SendContext) -> None:
    """Judge every canary under way, also those of issues that were sent by hand."""
    with session_scope(context.engine, read_only=True) as session:
        on_its_way = (Issue.state == IssueState.SENDING, col(Issue.rest_at).is_not(None))
        numbers = session.exec(select(Issue.number).where(*on_its_way)).all()
    for number in numbers:
        watch(context, number)
