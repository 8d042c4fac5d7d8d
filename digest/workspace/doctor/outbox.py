"""Checks of the outbox: uncertain, refused and overdue deliveries, held issues, dead workers, the webhook, media."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select
from sqlmodel import Session, col

from digest.articles.models import Article, Media
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.notify.models import WebhookCall, WebhookState
from digest.outbox import statistics, store
from digest.outbox.dialects import database_now
from digest.outbox.states import State
from digest.outbox.tables import DELIVERY, IS_STARTED, NOTICE, WORKER, Promised
from digest.render.checks import Severity
from digest.runtime.text import count_of
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

OVERDUE = timedelta(hours=1)
REFUSED_SHARE = 0.05
"""From this share on, refused mails point to the sender, not to the mailboxes."""
_OPEN = (IssueState.FROZEN.value, IssueState.SENDING.value)
_DELIVER = "Start `digest worker --stay`, or `digest tick`."


def outcome_files(context: DoctorContext) -> Iterator[Diagnosis]:
    """No outcome is left in a file."""
    if left := len(list(context.place.leftovers.glob("*.json"))):
        message = f"{count_of(left, 'file')} with outcomes that have not been stored in the database"
        yield Diagnosis("outcomes-left", Severity.BLOCK, message, "digest outbox reconcile")


def deliveries(context: DoctorContext) -> Iterator[Diagnosis]:
    """Nothing is uncertain, and few mails are refused."""
    with context.session() as session:
        uncertain = select(DELIVERY.c.issue_id, func.count()).where(DELIVERY.c.state == State.UNCERTAIN.value)
        counted = {row[0]: row[1] for row in session.execute(uncertain.group_by(DELIVERY.c.issue_id))}
        for issue in _issues(session, Issue.id, list(counted)):
            message = f"Issue {issue.number}: {count_of(counted[issue.id], 'delivery is', 'deliveries are')} uncertain"
            remedy = f"digest outbox list {issue.number} --state uncertain, then digest outbox reconcile"
            yield Diagnosis("deliveries-uncertain", Severity.BLOCK, message, remedy)
        waiting = select(func.count()).select_from(NOTICE).where(NOTICE.c.state == State.UNCERTAIN.value)
        if mails := session.execute(waiting).scalar_one():
            message = (
                f"{count_of(mails, 'confirmation or other notice is', 'confirmations or other notices are')} uncertain"
            )
            yield Diagnosis("notices-uncertain", Severity.ADVISE, message, "digest outbox reconcile")
        yield from _refused(session)


def _refused(session: Session) -> Iterator[Diagnosis]:
    """Refused deliveries of the newest issue only: older ones are history."""
    newest = session.scalars(select(Issue).where(col(Issue.frozen_at).is_not(None)).order_by(col(Issue.number).desc()))
    issue = newest.first()
    if issue is None:
        return
    counted = store.counts(session, issue.id or 0)
    planned = sum(counted.values())
    for state in (State.REJECTED, State.EXPIRED):
        if counted[state] and counted[state] >= REFUSED_SHARE * planned:
            message = f"Issue {issue.number}: {counted[state]} of {count_of(planned, 'delivery', 'deliveries')} {state}"
            remedy = f"digest outbox list {issue.number} --state {state}: check whether the reasons concern the sender"
            yield Diagnosis(f"deliveries-{state}", Severity.ADVISE, message, remedy)


def issues(context: DoctorContext) -> Iterator[Diagnosis]:
    """No issue is held, and what is due is being delivered."""
    now = context.clock.now()
    with context.session() as session:
        alive = any(worker.alive for worker in statistics.present(session, context.place.liveness))
        for issue in _issues(session, Issue.state, (*_OPEN, IssueState.SENT.value)):
            if issue.held:
                sent = issue.state == IssueState.SENT
                meaning = "its bounces suppress no reader" if sent else "nothing of it is sent"
                message = f"Issue {issue.number} is held, {meaning}: {issue.held_reason}"
                remedy = f"To see how to continue: digest outbox status {issue.number}"
                yield Diagnosis("issue-held", Severity.BLOCK, message, remedy)
                continue
            due = store.next_due(session, issue.id or 0) if issue.state == IssueState.SENDING else None
            if due is not None and now - due > OVERDUE and not alive:
                message = (
                    f"Issue {issue.number} has deliveries due since {due:%Y-%m-%d %H:%M}, but no worker is running"
                )
                yield Diagnosis("outbox-overdue", Severity.BLOCK, message, _DELIVER)
        due = store.next_notice_due(session)
        if due is not None and now - due > OVERDUE and not alive:
            message = f"Confirmations or other notices are due since {due:%Y-%m-%d %H:%M}, but no worker is running"
            yield Diagnosis("notices-overdue", Severity.BLOCK, message, _DELIVER)


def workers(context: DoctorContext) -> Iterator[Diagnosis]:
    """No worker died with deliveries that are still marked as started."""
    with context.session() as session:
        moment = database_now(session)
        left = 0
        for promised in Promised:
            table = promised.table
            query = select(table.c.worker_id, func.count()).where(IS_STARTED).group_by(table.c.worker_id)
            for worker_id, count in session.execute(query).all():
                row = session.execute(select(WORKER).where(WORKER.c.id == worker_id)).mappings().first()
                if row is None or not context.place.liveness.lives(dict(row), moment):
                    left += count
    if left:
        message = f"A worker crashed while it was sending {count_of(left, 'mail')}"
        yield Diagnosis(
            "worker-dead", Severity.BLOCK, message, "Start `digest worker`: it marks them as uncertain and continues."
        )


def webhook(context: DoctorContext) -> Iterator[Diagnosis]:
    """The operators' webhook accepted its calls."""
    now = context.clock.now()
    with context.session() as session:
        query = select(WebhookCall).where(col(WebhookCall.state) != WebhookState.TOLD)
        call = session.scalars(query.order_by(col(WebhookCall.id).desc()).limit(1)).first()
        count = session.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if call is not None and (call.state == WebhookState.GIVEN_UP or now - call.created_at > OVERDUE):
        message = (
            f"The webhook could not be called for {count_of(count, 'event')}; the last answer was: "
            f"{call.answer or 'none'}"
        )
        yield Diagnosis(
            "webhook", Severity.ADVISE, message, "Check [operators] webhook, then run `digest tell --test`."
        )


def media(context: DoctorContext) -> Iterator[Diagnosis]:
    """Every picture of an article is stored."""
    with context.session() as session:
        known = set(session.execute(select(col(Media.hash))).scalars())
        rows = session.execute(select(col(Article.slug), col(Article.images), col(Article.videos))).all()
    for slug, images, videos in rows:
        files = [one.get(key) or {} for one in [*images, *videos] for key in ("shown", "thumbnail")]
        wanted = {one.get("hash") for one in [*images, *videos, *files]} - {None}
        if missing := wanted - known:
            message = f"{count_of(len(missing), 'picture')} of the article {slug} missing"
            remedy = "To restore them: digest articles import articles/"
            yield Diagnosis("media-missing", Severity.BLOCK, message, remedy)


def _issues(session: Session, column: object, values: object) -> list[Issue]:
    query = select(Issue).where(col(column).in_(values)).order_by(col(Issue.number))  # type: ignore[arg-type]
    return list(session.scalars(query))
