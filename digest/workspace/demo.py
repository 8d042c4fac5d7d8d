"""`digest demo`: publish the sample issue into a Maildir, then send it again to show that no mail goes out twice."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from digest.issues import store as issue_store
from digest.issues.period import Period
from digest.outbox.states import State
from digest.publish import build, lifecycle
from digest.publish.approval import Approver
from digest.publish.build import Build
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from digest.schedule.month import NullProgress
from digest.schedule.occurrences import issue_date
from digest.send import start
from digest.send.context import SendContext
from digest.send.start import SendResult
from digest.send.status import status

NUMBER, PERIOD = 21, "2021-09"


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """The result of the demo; `sent_again` counts the mails of the second send."""

    maildir: Path
    made: Build
    result: SendResult
    sent_again: int


def run(context: SendContext) -> Demonstrated:
    """Publish issue 21 in a workspace that holds the sample, and try to send it again."""
    made = _assemble_and_approve(context)
    first = start.prepare_send(context, NUMBER).run(NullProgress())
    with suppress(RefusedError):  # "was sent already": that is the point
        start.prepare_send(context, NUMBER).run(NullProgress())
    sent_again = status(context, NUMBER).states[State.ACCEPTED] - first.status.states[State.ACCEPTED]
    settings = context.delivery.settings
    return Demonstrated(settings.workspace / settings.delivery.maildir, made, first, sent_again)


def _assemble_and_approve(context: SendContext) -> Build:
    now, period = context.clock.now(), Period.parse(PERIOD)
    with session_scope(context.engine) as session:
        day = issue_date(context.delivery.settings, period)
        lifecycle.assemble(context.publisher, session, period, number=NUMBER, issue_date=day, now=now)
    with session_scope(context.engine) as session:
        issue = issue_store.find(session, NUMBER, lock=True)
        made = build.build(context.publisher, session, issue, now)
        lifecycle.approve(context.publisher, session, issue, Approver("The demo"), now)
    return made
