"""Mails about a change of address, and deletion of expired requests."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import update
from sqlmodel import Session

from digest.delivery.wakeup.protocol import Dispatcher
from digest.membership.context import MembershipContext
from digest.membership.promise import promise
from digest.outbox.states import DUE, State
from digest.outbox.tables import NOTICE, move
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import session_scope
from subscribers import address_change, store
from subscribers.address_change import ChangeDue, Moved


def change_due(dispatcher: Dispatcher, session: Session, due: ChangeDue) -> None:
    """Promise the mail to a new address with the link to confirm it."""
    promise(dispatcher, session, NoticeKind.ADDRESS, due.nonce, to=due, now=due.at, extra=due.nonce)


def moved(dispatcher: Dispatcher, session: Session, moved: Moved) -> None:
    """Promise the mail that tells the old address of the change, without the new one, and the new one its links.

    Those in earlier mails no longer open, but for leaving.
    """
    promise(dispatcher, session, NoticeKind.ADDRESS_CHANGED, moved.nonce, to=moved, now=moved.at)
    agreed, new = {"interests": moved.interests, "frequency": moved.frequency}, replace(moved, address=moved.new)
    promise(dispatcher, session, NoticeKind.NEW_ADDRESS, moved.nonce, to=new, now=moved.at, **agreed)


def forget_expired(context: MembershipContext) -> int:
    """Delete every request for another address that can no longer be confirmed; return their number."""
    now = context.clock.now()
    with session_scope(context.engine, read_only=True) as session:
        if not store.changes_before(session, now - address_change.LIFETIME):
            return 0  # nearly always, and then without a lock for writing
    with session_scope(context.engine) as session:
        return address_change.forget_expired(session, now, forget_notices)


def forget_notices(session: Session, nonces: Sequence[str]) -> None:
    """Remove addresses of expired requests from the outbox: they may be other people's."""
    asked = (NOTICE.c.kind == NoticeKind.ADDRESS) & NOTICE.c.key.in_(nonces)
    late = "the new address was not confirmed in time"
    session.execute(move(NOTICE, State.EXPIRED, DUE, asked).values(reason=late))
    session.execute(update(NOTICE).where(asked).values(address="", name="", context={}))
