"""Where the audience meets the outbox: sign-ups, confirmations and goodbyes become Notices in the same transaction."""

import io
from datetime import datetime
from functools import partial

from sqlmodel import Session

from digest.delivery.wakeup.protocol import Dispatcher
from digest.membership.context import MembershipContext, new_ref
from digest.membership.erasure import Erased, before_erasing, forget, forget_files
from digest.membership.erasure_proof import Proof, prove
from digest.membership.importing import importer
from digest.membership.promise import promise
from digest.outbox import notices
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from subscribers import preferences, signup, store, suppression
from subscribers.address import EmailAddress
from subscribers.consent import ConsentMethod
from subscribers.errors import SubscriberNotFoundError
from subscribers.models import Subscriber, SubscriberState
from subscribers.names import parse_name
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed, SignupForm
from subscribers.suppression import SuppressionReason
from subscribers.transfer.exporter import as_csv
from subscribers.transfer.rows import COLUMNS, as_cells


def confirmation_due(dispatcher: Dispatcher, session: Session, due: ConfirmationDue) -> None:
    """Promise the mail with the link to confirm."""
    key = f"{due.ref}:{due.request}"
    promise(dispatcher, session, NoticeKind.CONFIRMATION, key, to=due, now=due.requested_at, extra=due.request)


def confirmation_withheld(dispatcher: Dispatcher, session: Session, now: datetime) -> None:
    """Write as much as `confirmation_due` does, for a sign-up that sends no mail; the caller takes it back."""
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


def add_subscriber(
    context: MembershipContext, address: str, *, name: str, interests: str, language: str, confirmed_by: str
) -> SubscriberState:
    """Add one reader; return their state. With `confirmed_by` consent is on record elsewhere, else they are asked."""
    email = EmailAddress.parse(address)
    wanted = context.settings.catalogue.canonical(context.settings.catalogue.choose(interests))
    language = language or context.settings.publication.language
    if confirmed_by:
        _import_one(context, email, name=name, interests=wanted, language=language, source=confirmed_by)
    else:
        form = SignupForm(email, language, wanted, parse_name(name))
        ask = partial(confirmation_due, context.dispatcher)
        with session_scope(context.engine) as session:
            signup.request(
                session,
                form,
                method=ConsentMethod.COMMAND,
                now=context.clock.now(),
                new_ref=new_ref,
                secret=context.settings.suppression_key,
                confirmation_due=ask,
            )
    with session_scope(context.engine, read_only=True) as session:
        person = store.by_key(session, email.key)
    if person is None:
        raise RefusedError(f"{address} is on the never-send list", hint="`digest suppress lookup` says why.")
    return SubscriberState(person.state)


def _import_one(
    context: MembershipContext, email: EmailAddress, *, name: str, interests: str, language: str, source: str
) -> None:
    """An import of one line: what holds for a file (never overrule the person) holds here too."""
    cells = {
        "email": email.address,
        "name": parse_name(name),
        "interests": interests or ";",
        "language": language,
        "status": "confirmed",
        "confirmed_at": context.clock.now().isoformat(),
        "consent_source": source,
    }
    line = {column: cells.get(column, "") for column in COLUMNS}
    file = io.BytesIO((as_csv(COLUMNS) + as_csv(as_cells(line))).encode())
    report = importer(context).run(file, context.clock.now())
    for refusal in [problem.message for problem in report.problems] + [kept.reason for kept in report.kept]:
        raise RefusedError(f"{email.address} was not added: {refusal}")


def erase_subscriber(context: MembershipContext, address: str) -> Proof:
    """Erase a person from the audience, the outbox and the workspace's files; return what was looked through since."""
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
    """Return who was erased before, to look for them again; raises SubscriberNotFoundError for a stranger."""
    email = EmailAddress.parse(address)
    held = suppression.lookup(session, suppression.key_of(email.key, context.settings.suppression_key))
    if held is None or held.reason != SuppressionReason.ERASED:
        raise SubscriberNotFoundError(f"There is no subscriber {address}")
    return Erased(0, email.address, email.key, "", ())
