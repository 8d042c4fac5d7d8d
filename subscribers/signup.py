"""Sign-up with double opt-in: a subscription begins with a confirmation by a link in a mail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from subscribers import consent, store, suppression
from subscribers.address import EmailAddress
from subscribers.consent import ConsentKind, ConsentMethod
from subscribers.errors import LinkInvalidError
from subscribers.links import LinkPayload
from subscribers.models import ConsentEvent, Frequency, Subscriber, SubscriberState

# Strangers can enter other people's addresses: one mail a day, so that the form cannot flood a mailbox.
QUIET = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SignupForm:
    """A request to subscribe. `interests` is canonical text."""

    address: EmailAddress
    language: str
    interests: str = "*"
    name: str = ""
    format: str = "html"
    frequency: str = Frequency.EVERY


@dataclass(frozen=True, slots=True)
class ConfirmationDue:
    """A confirmation mail; its link is for `ref`, with `request` as the extra, issued at `requested_at`."""

    subscriber_id: int
    ref: str
    address: str
    name: str
    language: str
    request: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A new confirmation, for the welcome mail."""

    subscriber_id: int
    ref: str
    address: str
    name: str
    language: str
    interests: str
    frequency: str


def request(
    session: Session,
    form: SignupForm,
    *,
    method: ConsentMethod,
    now: datetime,
    new_ref: Callable[[], str],
    secret: bytes,
    confirmation_due: Callable[[Session, ConfirmationDue], None],
    confirmation_withheld: Callable[[Session, datetime], None] | None = None,
    wording: str = "",
    agreed: str = "",
) -> None:
    """Record a request to subscribe, and call `confirmation_due` in the same transaction if a mail may be sent.

    No mail goes to subscribers, after a request within a day, or after bounces and complaints; the caller does not
    learn which, and nothing about a subscriber changes. `secret` is the suppression key, `wording` a version of words,
    `agreed` the version of a consent text.

    Against timing attacks, each case runs the same statements: without a mail they are rolled back, with
    `confirmation_withheld` in place of `confirmation_due`. The day's count is always written, so every commit waits for
    the disk.
    """
    key = suppression.key_of(form.address.key, secret)
    held = suppression.lookup(session, key)
    refused = held is not None and held.reason not in suppression.PERSONAL
    with session.begin_nested() as whole:
        subscriber = _find_or_add(session, form, key, now, new_ref())
        events = store.events(session, subscriber)
        mailing = not (refused or subscriber.state == SubscriberState.CONFIRMED or _asked_recently(events, now))
        nonce = new_ref()
        detail = {"request": nonce} | ({"consent": agreed} if agreed else {})
        if mailing:
            for name in ("name", "language", "interests", "format", "frequency"):
                setattr(subscriber, name, getattr(form, name))
            session.add(subscriber)
        consent.record(session, subscriber, ConsentKind.REQUESTED, method, now, wording=wording, detail=detail)
        if mailing:
            # Strangers can type any text as the name of the person at an address.
            name = "" if method == ConsentMethod.PAGE else subscriber.name
            who = (subscriber.id or 0, subscriber.ref, subscriber.address, name, subscriber.language)
            confirmation_due(session, ConfirmationDue(*who, nonce, now))
        elif confirmation_withheld is not None:
            confirmation_withheld(session, now)
        session.flush()
        if not mailing:
            whole.rollback()
    store.count_request(session, now.date())


def confirm(session: Session, payload: LinkPayload, *, now: datetime, wording: str = "") -> Confirmed | None:
    """Confirm a subscription; None if it was confirmed before.

    Raises LinkInvalidError if the request is unknown or older than an unsubscribe, which an old mail must not undo.
    """
    subscriber = store.by_ref(session, payload.ref)
    if subscriber is None:
        raise LinkInvalidError
    subscriber = store.lock(session, subscriber)
    if not consent.was_requested(store.events(session, subscriber), ConsentKind.REQUESTED, payload.extra):
        raise LinkInvalidError
    if subscriber.state == SubscriberState.CONFIRMED:
        return None
    consent.move(subscriber, SubscriberState.CONFIRMED)
    subscriber.confirmed_at, subscriber.unsubscribed_at, subscriber.paused_until = now, None, None
    session.add(subscriber)
    if subscriber.suppression_key:
        suppression.lift_by_confirmation(session, subscriber.suppression_key)
    kind, method, detail = ConsentKind.CONFIRMED, ConsentMethod.PAGE, {"request": payload.extra}
    consent.record(session, subscriber, kind, method, now, wording=wording, detail=detail)
    who = (subscriber.id or 0, subscriber.ref, subscriber.address, subscriber.name, subscriber.language)
    return Confirmed(*who, subscriber.interests, subscriber.frequency)


def _find_or_add(session: Session, form: SignupForm, key: str, now: datetime, ref: str) -> Subscriber:
    """Return the subscriber with an address, locked; a row is written in any case, and rolled back if one exists."""
    found = store.by_key(session, form.address.key)
    new = Subscriber(
        ref=ref,
        address=form.address.address,
        # What is rolled back must not wait for the existing row.
        address_key=form.address.key if found is None else f"{ref}@",
        suppression_key=key,
        name=form.name,
        language=form.language,
        interests=form.interests,
        format=form.format,
        frequency=form.frequency,
        created_at=now,
    )
    try:
        with session.begin_nested() as attempt:
            session.add(new)
            session.flush()
            if found is not None:
                attempt.rollback()
    except IntegrityError:  # the same address at the same moment, in another process: that row is the one
        found = store.by_key(session, form.address.key)
        if found is None:
            raise
    return store.lock(session, found or new)


def _asked_recently(events: Sequence[ConsentEvent], now: datetime) -> bool:
    recent = (event for event in consent.since_left(events) if now - event.happened_at < QUIET)
    return any(event.kind == ConsentKind.REQUESTED for event in recent)
