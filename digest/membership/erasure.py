"""Erasure of one person's data from the outbox, feedback events and files of the workspace.

The command, the page and the retention job pass `forget` to `preferences.erase`, which calls it in its transaction,
before the personal columns are emptied.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Table, and_, event, or_, select, update
from sqlmodel import Session

from digest.delivery.maildir import MaildirTransport
from digest.delivery.worker.place import WorkerPlace
from digest.feedback.models import EVENT as FEEDBACK_EVENT
from digest.feedback.quarantine import quarantine_folder
from digest.membership.context import MembershipContext
from digest.outbox.states import DUE, SkipReason, State
from digest.outbox.tables import ATTEMPT, DELIVERY, NOTICE, Promised, move
from digest.outbox.take import envelope_id
from digest.runtime.atomic_file import whole_file
from subscribers.models import Subscriber

_FORGOTTEN = "(erased)"
SHORTEST_NAME = 4
"""Characters; shorter names occur within other people's names and ordinary words, and are not searched for."""


def forget(session: Session, subscriber: Subscriber) -> None:
    """Skip notices to a person and remove their data from notices, deliveries, attempts and feedback events.

    The rows stay, so that an issue's numbers add up. The caller has locked the subscriber, so no attempt begins
    meanwhile; a running one settles later, with addresses removed from its reply.
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
        session.execute(update(table).where(whose, _is_free_text(table)).values(reason=_FORGOTTEN))
    events = or_(FEEDBACK_EVENT.c.subscriber_id == of_id, FEEDBACK_EVENT.c.delivery_id.in_(deliveries))
    session.execute(update(FEEDBACK_EVENT).where(events).values(detail={}, sample=None))
    # a copy that could not be assigned to anybody may name them all the same
    if subscriber.address:
        names = FEEDBACK_EVENT.c.sample.icontains(subscriber.address, autoescape=True)
        session.execute(update(FEEDBACK_EVENT).where(names).values(sample=None))


def forget_everywhere(context: MembershipContext, session: Session, subscriber: Subscriber) -> None:
    """Do `forget` now, and `forget_files` once the transaction is committed, without a proof."""
    erased = before_erasing(session, subscriber)
    forget(session, subscriber)
    event.listen(session, "after_commit", lambda _session: forget_files(context, erased), once=True)


def _is_free_text(table: Table) -> ColumnElement[bool]:
    """Return whether a reason is not one of SkipReason, and so may hold personal data."""
    return and_(table.c.reason != "", table.c.reason.not_in([reason.value for reason in SkipReason]))


@dataclass(frozen=True, slots=True)
class Erased:
    """Data of an erased person, in memory only, to search for afterwards."""

    id: int
    address: str
    key: str
    name: str
    mails: tuple[str, ...]


def before_erasing(session: Session, subscriber: Subscriber) -> Erased:
    """Return the data to search for after erasure; `mails` are the names of their mails."""
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
    """Remove the person from the workspace's files, after the transaction; return the number of changed files by kind.

    Mails in a Maildir are evidence of delivery, which is not needed any more: erased people get no mail again.
    """
    changed = {"maildir": 0, "outcomes": 0, "quarantine": 0}
    delivery = context.settings.delivery
    if delivery.transport == "maildir":
        maildir = MaildirTransport(context.settings.workspace / delivery.maildir)
        changed["maildir"] = maildir.remove(erased.mails)
    for file in quarantine_folder(context.settings.workspace).glob("*.eml"):
        if erased.address.encode().lower() in file.read_bytes().lower():
            file.unlink(missing_ok=True)
            changed["quarantine"] += 1
    for file in sorted(filter(Path.is_file, WorkerPlace.of(context.settings.workspace).leftovers.glob("*"))):
        changed["outcomes"] += _redact(file, erased)
    return changed


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
