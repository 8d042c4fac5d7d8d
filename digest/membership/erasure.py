"""Forgetting one person: what every table beyond the audience's own, and every file of the workspace, holds of them.

`forget` is the one place that knows; the command, the page and the retention job hand it to `preferences.erase`, which
calls it in its transaction, before the personal columns are emptied.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Table, and_, event, or_, select, update
from sqlmodel import Session

from digest.delivery.maildir import MaildirTransport
from digest.delivery.worker.place import WorkerPlace
from digest.feedback.models import FeedbackEvent
from digest.membership.context import MembershipContext
from digest.outbox.states import DUE, SkipReason, State
from digest.outbox.tables import ATTEMPT, DELIVERY, NOTICE, Promised, move
from digest.outbox.take import envelope_id
from digest.runtime.atomic_file import whole_file
from subscribers.models import Subscriber
from subscribers.transfer.bulk import table_of

FEEDBACK_EVENT = table_of(FeedbackEvent)
_FORGOTTEN = "(erased)"
SHORTEST_NAME = 4
"""Shorter names stand in other people's and in ordinary words; to look for them says nothing."""


def forget(session: Session, subscriber: Subscriber) -> None:
    """Skip what is still due to somebody who is being erased, and empty what the outbox and its events hold of them.

    Deliveries and attempts stay as rows, so that an issue's numbers add up for ever. The caller has locked the
    subscriber, so that no take starts anything for them meanwhile; an attempt that is on the wire settles later, and
    its reply has been cleaned of addresses before it is written.
    """
    of_id = subscriber.id or 0
    mine = NOTICE.c.subscriber_id == of_id
    session.execute(move(NOTICE, State.SKIPPED, DUE, mine).values(reason=SkipReason.ERASED.value))
    session.execute(update(NOTICE).where(mine).values(address="", name="", context={}))
    deliveries = select(DELIVERY.c.id).where(DELIVERY.c.subscriber_id == of_id)
    notices = select(NOTICE.c.id).where(mine)
    theirs = or_(ATTEMPT.c.delivery_id.in_(deliveries), ATTEMPT.c.notice_id.in_(notices))
    session.execute(update(ATTEMPT).where(theirs, ATTEMPT.c.reply != "").values(reply=_FORGOTTEN))
    for table, whose in ((DELIVERY, DELIVERY.c.subscriber_id == of_id), (NOTICE, mine)):
        session.execute(update(table).where(whose, _is_told(table)).values(reason=_FORGOTTEN))
    events = or_(FEEDBACK_EVENT.c.subscriber_id == of_id, FEEDBACK_EVENT.c.delivery_id.in_(deliveries))
    session.execute(update(FEEDBACK_EVENT).where(events).values(detail={}))


def forget_everywhere(context: MembershipContext, session: Session, subscriber: Subscriber) -> None:
    """Do `forget` now, and `forget_files` once the transaction is committed: for whoever needs no proof."""
    erased = before_erasing(session, subscriber)
    forget(session, subscriber)
    event.listen(session, "after_commit", lambda _session: forget_files(context, erased), once=True)


def _is_told(table: Table) -> ColumnElement[bool]:
    """Say whether a reason is in somebody's words: those of a guard are ours and stay."""
    return and_(table.c.reason != "", table.c.reason.not_in([reason.value for reason in SkipReason]))


@dataclass(frozen=True, slots=True)
class Erased:
    """Who was erased, as they were known: kept in memory only, to look for them afterwards."""

    id: int
    address: str
    key: str
    name: str
    mails: tuple[str, ...]


def before_erasing(session: Session, subscriber: Subscriber) -> Erased:
    """Return what has to be looked for when the person is erased; `mails` are the names of their mails."""
    of_id = subscriber.id or 0
    mails = [
        envelope_id(promised, row.id, row.created_at)
        for promised in Promised
        for row in session.execute(
            select(promised.table.c.id, promised.table.c.created_at).where(promised.table.c.subscriber_id == of_id)
        )
    ]
    return Erased(of_id, subscriber.address, subscriber.address_key or "", subscriber.name, tuple(mails))


def forget_files(context: MembershipContext, erased: Erased) -> dict[str, int]:
    """Take the person out of the workspace's files, after the transaction; return how many were changed, by kind.

    Mails that a Maildir transport kept are evidence of their delivery; for somebody who is erased nothing is sent
    again anyway.
    """
    changed = {"maildir": 0, "outcomes": 0}
    delivery = context.settings.delivery
    if delivery.transport == "maildir":
        maildir = MaildirTransport(context.settings.workspace / delivery.maildir)
        changed["maildir"] = maildir.remove(erased.mails)
    for file in _outcome_files(WorkerPlace.of(context.settings.workspace).leftovers):
        changed["outcomes"] += _redact(file, erased)
    return changed


def _outcome_files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else ()


def _redact(file: Path, erased: Erased) -> bool:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    cleaned = text
    names = {erased.name} if len(erased.name) >= SHORTEST_NAME else set()
    for personal in ({erased.address, erased.key} | names) - {""}:
        cleaned = cleaned.replace(personal, _FORGOTTEN)
    if cleaned == text:
        return False
    with whole_file(file, mode=0o600) as partial:
        partial.write_text(cleaned, encoding="utf-8")
    return True
