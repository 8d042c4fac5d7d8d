"""Notices about subscriptions, promised in the transaction of their cause; adding and erasing one subscriber."""

from datetime import datetime

from sqlmodel import Session

from digest.delivery.wakeup.protocol import Dispatcher
from digest.membership.context import MembershipContext, new_ref
from digest.membership.erasure import Erased, before_erasing, forget, forget_files
from digest.membership.erasure_proof import Proof, prove
from digest.membership.promise import promise
from digest.outbox import notices
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import session_scope
from subscribers import preferences, store, suppression
from subscribers.address import EmailAddress
from subscribers.consent import ConsentMethod
from subscribers.errors import SubscriberNotFoundError
from subscribers.models import Subscriber
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed
from subscribers.suppression import SuppressionReason


def confirmation_due(dispatcher: Dispatcher, session: Session, due: ConfirmationDue) -> None:
    """Promise the mail with the link to confirm."""
    key = f"{due.ref}:{due.request}"
    promise(dispatcher, session, NoticeKind.CONFIRMATION, key, to=due, now=due.requested_at, extra=due.request)


def confirmation_withheld(dispatcher: Dispatcher, session: Session, now: datetime) -> None:
    """Write as much as `confirmation_due` does, against timing attacks; the caller rolls it back."""
    dispatcher.announce(session, None)
    notices.promise(session, NoticeKind.CONFIRMATION, new_ref(), address="", language="", now=now)


def welcome(context: MembershipContext, session: Session, confirmed: Confirmed) -> None:
    """Promise the mail that says what was agreed, and how to change it."""
    now = context.clock.now()
    key = f"{confirmed.ref}:{now.date()}"  # whoever leaves and comes back all day gets one
    agreed = {"interests": confirmed.interests, "frequency": confirmed.frequency}
    promise(context.dispatcher, session, NoticeKind.WELCOME, key, to=confirmed, now=now, **agreed)


def goodbye(dispatcher: Dispatcher, session: Session, withdrawal: Withdrawal) -> None:
    """Promise the answer to somebody who left by the page; one-click is answered by its 200, not by another mail."""
    if withdrawal.method != ConsentMethod.ONE_CLICK:
        key = f"{withdrawal.ref}:{withdrawal.at.date()}"  # one a day, as with the welcome
        promise(dispatcher, session, NoticeKind.GOODBYE, key, to=withdrawal, now=withdrawal.at)


def erase_subscriber(context: MembershipContext, address: str) -> Proof:
    """Erase a subscriber from the database and the workspace's files; return the proof."""
    with session_scope(context.engine) as session:
        person = store.by_key(session, EmailAddress.parse(address).key)
        if person is None:
            erased = _gone(context, session, address)
        else:
            known: list[Erased] = []

            def note(session: Session, row: Subscriber) -> None:
                known.append(before_erasing(session, row))
                forget(session, row)

            preferences.erase(
                session,
                person,
                method=ConsentMethod.COMMAND,
                now=context.clock.now(),
                secret=context.settings.suppression_key,
                forget=note,
            )
            erased = known[-1]  # as they were when their row was locked
    return prove(context, erased, forget_files(context, erased))


def _gone(context: MembershipContext, session: Session, address: str) -> Erased:
    """Return a person who was erased before, to search again. Raises SubscriberNotFoundError."""
    email = EmailAddress.parse(address)
    held = suppression.lookup(session, suppression.key_of(email.key, context.settings.suppression_key))
    if held is None or held.reason != SuppressionReason.ERASED:
        raise SubscriberNotFoundError(f"There is no subscriber with the address {address}")
    return Erased(0, email.address, email.key, "", ())
