"""Promises a notice to a person and wakes the workers, in the caller's transaction."""

from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from digest.delivery.wakeup.protocol import Dispatcher
from digest.outbox import notices
from digest.render.notice_kind import NoticeKind


class Addressee(Protocol):
    """A person as the audience names them when a mail is due."""

    @property
    def subscriber_id(self) -> int:
        """Key of their row."""
        ...

    @property
    def address(self) -> str:
        """Address that the notice goes to; it need not be the person's present one."""
        ...

    @property
    def name(self) -> str:
        """Name in the mail's To field; may be empty."""
        ...

    @property
    def language(self) -> str:
        """Language of the notice."""
        ...


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
