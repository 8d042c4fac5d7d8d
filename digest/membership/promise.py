"""Promises a notice to a person and wakes the workers, in the caller's transaction."""

from datetime import datetime

from sqlmodel import Session

from digest.delivery.wakeup.protocol import Dispatcher
from digest.outbox import notices
from digest.render.notice_kind import NoticeKind
from subscribers.address_change import ChangeDue, Moved
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed

Addressee = ConfirmationDue | Confirmed | Withdrawal | ChangeDue | Moved
"""A person as the audience names them when a mail is due; `address` is where it goes."""


def promise(
    dispatcher: Dispatcher,
    session: Session,
    kind: NoticeKind,
    key: str,
    *,
    to: Addressee,
    now: datetime,
    **context: str,
) -> None:
    """Promise a notice that is due now; `context` holds what its kind needs, such as the `extra` of its link."""
    dispatcher.announce(session, None)
    notices.promise(
        session,
        kind,
        key,
        address=to.address,
        name=to.name,
        language=to.language,
        now=now,
        context=context,
        subscriber_id=to.subscriber_id,
    )
