"""Double opt-in: a request makes nobody a reader; the person's own click on a button in the mail does."""

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

# A stranger can type anybody's address into the form: more than one mail a day would make it a weapon.
QUIET = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SignupForm:
    """What somebody asked for. `interests` is canonical text."""

    address: EmailAddress
    language: str
    interests: str = "*"
    name: str = ""
    format: str = "html"
    frequency: str = Frequency.EVERY


@dataclass(frozen=True, slots=True)
class ConfirmationDue:
    """A confirmation mail that is due: its link is for `ref`, with `request` as the extra, issued at `requested_at`."""

    subscriber_id: int
    ref: str
    address: str
    name: str
    language: str
    request: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Somebody who has become a reader by their own confirmation, just now."""

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
) -> None:
    """Note a request to subscribe, and call `confirmation_due` in the same transaction if a mail may be sent.

    No mail: already a reader, asked within the last day, or bounced or complained. The caller is never told which, and
    what a stranger asks for changes nothing about a reader. `secret` is the suppression key, `new_ref` gives random
    text, `wording` is the version of the words shown.

    Nor does the time tell: the database gets the same statements in every case. Where no mail may be sent they are
    taken back, and `confirmation_withheld` stands in for what `confirmation_due` would write; the day's count, which is
    written in every case, makes every commit wait for the disk.
    """
    key = suppression.key_of(form.address.key, secret)
    held = suppression.lookup(session, key)
    refused = held is not None and held.reason not in suppression.PERSONAL
    with session.begin_nested() as whole:
        subscriber = _find_or_add(session, form, key, now, new_ref())
        events = store.events(session, subscriber)
        mailing = not (refused or subscriber.state == SubscriberState.CONFIRMED or _asked_recently(events, now))
        nonce = new_ref()
        detail = {"request": nonce}
        if mailing:
            _apply(form, subscriber)
            session.add(subscriber)
        consent.record(session, subscriber, ConsentKind.REQUESTED, method, now, wording=wording, detail=detail)
        if mailing:
            confirmation_due(session, _due(subscriber, nonce, now))
        elif confirmation_withheld is not None:
            confirmation_withheld(session, now)
        session.flush()
        if not mailing:
            whole.rollback()
    store.count_request(session, now.date())


def confirm(session: Session, payload: LinkPayload, *, now: datetime, wording: str = "") -> Confirmed | None:
    """Make the person a reader by their own hand; None when they are one already.

    Raises LinkInvalidError when the request is unknown, or older than a later withdrawal: a forgotten mail must not
    bring back who has left.
    """
    subscriber = store.by_ref(session, payload.ref)
    if subscriber is None:
        raise LinkInvalidError
    subscriber = store.lock(session, subscriber)
    if not _still_stands(store.events(session, subscriber), payload.extra):
        raise LinkInvalidError
    if subscriber.state == SubscriberState.CONFIRMED:
        return None
    consent.move(subscriber, SubscriberState.CONFIRMED)
    subscriber.confirmed_at, subscriber.unsubscribed_at, subscriber.paused_until = now, None, None
    session.add(subscriber)
    if subscriber.suppression_key:
        suppression.lift_by_confirmation(session, subscriber.suppression_key)
    consent.record(
        session,
        subscriber,
        ConsentKind.CONFIRMED,
        ConsentMethod.PAGE,
        now,
        wording=wording,
        detail={"request": payload.extra},
    )
    return Confirmed(
        subscriber_id=subscriber.id or 0,
        ref=subscriber.ref,
        address=subscriber.address,
        name=subscriber.name,
        language=subscriber.language,
        interests=subscriber.interests,
        frequency=subscriber.frequency,
    )


def _find_or_add(session: Session, form: SignupForm, key: str, now: datetime, ref: str) -> Subscriber:
    """Return the person at an address, locked; a new row if there is none.

    A row is written in either case, and taken back where it is not wanted.
    """
    found = store.by_key(session, form.address.key)
    new = Subscriber(
        ref=ref,
        address=form.address.address,
        # What is taken back must not wait for the row that is there.
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


def _apply(form: SignupForm, subscriber: Subscriber) -> None:
    subscriber.name = form.name
    subscriber.language = form.language
    subscriber.interests = form.interests
    subscriber.format = form.format
    subscriber.frequency = form.frequency


def _due(subscriber: Subscriber, nonce: str, now: datetime) -> ConfirmationDue:
    return ConfirmationDue(
        subscriber_id=subscriber.id or 0,
        ref=subscriber.ref,
        address=subscriber.address,
        name=subscriber.name,
        language=subscriber.language,
        request=nonce,
        requested_at=now,
    )


def _asked_recently(events: Sequence[ConsentEvent], now: datetime) -> bool:
    return any(event.kind == ConsentKind.REQUESTED and now - event.happened_at < QUIET for event in _since_left(events))


def _still_stands(events: Sequence[ConsentEvent], nonce: str) -> bool:
    return any(
        event.kind == ConsentKind.REQUESTED and nonce and event.detail.get("request") == nonce
        for event in _since_left(events)
    )


def _since_left(events: Sequence[ConsentEvent]) -> Sequence[ConsentEvent]:
    """Return the events after the last withdrawal."""
    left = [at for at, event in enumerate(events) if event.kind in {ConsentKind.UNSUBSCRIBED, ConsentKind.ERASED}]
    return events[left[-1] + 1 :] if left else events
