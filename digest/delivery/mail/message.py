"""Message composition: the parts shared by all recipients are made once, the personal ones spliced in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlmodel import Session

from digest.delivery.mail.editions import PreparedEditions
from digest.delivery.mail.headers import Identity, Personal, message_id, message_id_of, personal_header, shared_header
from digest.delivery.mail.return_path import ReturnPath
from digest.delivery.transport import Encoded, Envelope
from digest.outbox.notices import TakenNotice
from digest.outbox.tables import Promised
from digest.outbox.take import Recipient, Started, Taken
from digest.render.context import LogoView, NoticeContext, PublicationView
from digest.render.edition import Rendered
from digest.render.event_view import event_view
from digest.render.interest_words import interests_in_words
from digest.render.loader import Templates
from digest.render.locales import locale_of, long_date
from digest.render.logo import logo_view
from digest.render.notice import render_notice
from digest.render.notice_kind import NoticeKind
from digest.render.parts import Format, Parts, encode
from digest.render.slots import Slot
from digest.runtime.errors import ContentError
from digest.settings.publication import pick
from digest.settings.root import Settings
from subscribers.interests import ALL_TEXT
from subscribers.links import LIFETIMES, LinkSigner, Purpose
from subscribers.models import Frequency

JOINED = 256
"""Editions whose parts are kept joined; joining those of another takes some ten messages' time."""

# From a message's pieces and the instant to the header field that signs them, such as `DkimSigner.sign`.
Sign = Callable[[Sequence[bytes], datetime], bytes]


@dataclass(slots=True)  # each mail makes one: not frozen
class Letter:
    """A message ready to send: its envelope, and its bytes in pieces with CRLF line ends, not dot-stuffed."""

    envelope: Envelope
    message: Encoded


@dataclass(frozen=True, slots=True)
class _Form:
    """Parts shared by all recipients of an edition, or of a kind of notice."""

    header: bytes
    parts: Parts
    number: int = 0
    view_url: str = ""


class MessageWriter:
    """Composes the messages of a publication. `prepare` reads what a window needs; writing needs no database."""

    def __init__(
        self,
        settings: Settings,
        templates: Templates,
        signer: LinkSigner,
        message_key: bytes,
        *,
        sign: Sign | None = None,
    ) -> None:
        """`sign`, if given, returns a signature field to put in front of each message."""
        self._settings = settings
        self._templates = templates
        self._signer = signer
        self._key = message_key
        self._sign = sign
        mailbox, self._by_postmark = settings.feedback.return_path, bool(settings.feedback.postmark_secret_file)
        self.return_path = ReturnPath(mailbox, message_key) if mailbox or self._by_postmark else None
        self._catalogue = settings.catalogue
        self._editions = PreparedEditions()
        self._edition_form = lru_cache(maxsize=JOINED)(self._make_edition_form)
        # readers share few sets of interests; the cache belongs to this object, whose settings it depends on
        self._speak = lru_cache(maxsize=10_000)(self._interests_in_words)
        self._notice_form = lru_cache(maxsize=100)(self._make_notice_form)

    def prepare(self, session: Session, edition_ids: Iterable[int]) -> None:
        """Read the editions that were not needed before. Raises DatabaseDamagedError."""
        self._editions.prepare(session, edition_ids)

    def message_id(self, number: int, ref: str) -> str:
        """Return the Message-ID of an issue to a recipient: the same at every attempt."""
        return self._message_id(Promised.DELIVERY, (str(number), ref))

    def notice_id(self, kind: str, key: str) -> str:
        """Return the Message-ID of a notice: the same at every attempt."""
        return self._message_id(Promised.NOTICE, (kind, key))

    def _message_id(self, promised: Promised, name: tuple[str, str]) -> str:
        return message_id_of(self._key, promised, name, self._settings.publication.sender_domain)

    def delivery(self, taken: Taken, now: datetime) -> Letter:
        """Return the message of a delivery of a prepared edition. Raises ContentError for what mail cannot hold."""
        form, reader = self._edition_form(taken.edition_id), taken.reader
        unsubscribe = self._signer.url(Purpose.UNSUBSCRIBE, reader.ref)
        values = {
            Slot.INTERESTS: self._speak(reader.language, reader.interests),
            Slot.PREFERENCES_URL: self._signer.url(Purpose.PREFERENCES, reader.ref, now=now),
            Slot.UNSUBSCRIBE_URL: unsubscribe,
            Slot.VIEW_URL: form.view_url,
            Slot.TEST_MARK: "",
        }
        own_id = self.message_id(form.number, reader.ref)
        personal = Personal(reader.name, reader.address, own_id, unsubscribe)
        envelope = self._envelope(taken, (str(form.number), reader.ref), reader.address)
        return self._letter(envelope, form, personal, values, now=now, plain=reader.format == "text")

    def test(self, number: int, rendered: Rendered, reader: Recipient, token: str, now: datetime) -> Letter:
        """Return an edition as a test mail: marked, with a Message-ID of its own and links that say so.

        `token` is random: with the real Message-ID mail programs would hide the reader's own copy.
        """
        translate = self._templates.translate(reader.language)
        subject = translate("[Test] %(subject)s") % {"subject": rendered.subject}
        header = shared_header(self._identity(reader.language), subject, about=f"issue-{number}", part="test")
        form = _Form(header, encode(rendered.html, rendered.text, rendered.nonce), number)
        url = self._signer.url(Purpose.TEST, reader.ref)
        values = {**dict.fromkeys(Slot, url), Slot.INTERESTS: self._speak(reader.language, reader.interests)}
        values[Slot.TEST_MARK] = translate("This is a test mail. Its personal links have no effect.")
        own_id = message_id(self._key, ("test", token), self._settings.publication.sender_domain)
        personal = Personal(reader.name, reader.address, own_id, url, test=True)
        envelope = Envelope(f"test-{token}", self._sender, personal.address)
        return self._letter(envelope, form, personal, values, now=now, plain=reader.format == "text")

    def notice(self, taken: TakenNotice, now: datetime) -> Letter:
        """Return the message of a notice. Raises ContentError for what mail cannot hold."""
        kind = NoticeKind(taken.kind)
        if kind.spec.is_event:  # few, and each with a text of its own
            form = self._make_notice_form(kind, taken.language, event=taken.context)
        else:
            frequency = str(taken.context.get("frequency", Frequency.EVERY))
            form = self._notice_form(kind, taken.language, frequency)
        values = {slot: self._notice_value(slot, kind, taken, now) for slot in kind.spec.slots}
        unsubscribe = values.get(Slot.UNSUBSCRIBE_URL, "")
        own_id = self.notice_id(taken.kind, taken.key)
        personal = Personal(taken.name, taken.address, own_id, unsubscribe)
        envelope = self._envelope(taken, (taken.kind, taken.key), taken.address)
        return self._letter(envelope, form, personal, values, now=now, plain=False)

    @property
    def _sender(self) -> str:
        return self._settings.feedback.return_path or self._settings.publication.sender_address

    def _envelope(self, started: Started, name: tuple[str, str], address: str) -> Envelope:
        if self.return_path is None:
            return Envelope(started.envelope_id, self._sender, address)
        token = self.return_path.token(started.promised, started.id, name)
        sender = self.return_path.address(token) if self.return_path.mailbox else self._sender
        return Envelope(started.envelope_id, sender, address, token)

    def _letter(
        self,
        envelope: Envelope,
        form: _Form,
        personal: Personal,
        values: Mapping[Slot, str],
        *,
        now: datetime,
        plain: bool,
    ) -> Letter:
        kind: Format = "text" if plain else "html"
        own = personal_header(personal, now)
        if self._by_postmark and envelope.dsn_id:  # it replaces return path and Message-ID, and removes these fields
            own += b"X-PM-KeepID: true\r\nX-PM-Metadata-digest: %b\r\n" % envelope.dsn_id.encode()
        head = form.header + own + form.parts.header(kind) + b"\r\n"
        message = Encoded((head, *form.parts.splice(values, kind)))
        if self._sign is not None:
            message.insert(0, self._sign(message, now))
        return Letter(envelope, message)

    def _notice_value(self, slot: Slot, kind: NoticeKind, taken: TakenNotice, now: datetime) -> str:
        ref, context = taken.ref or "", taken.context
        match slot:
            case Slot.INTERESTS:
                return self._speak(taken.language, str(context.get("interests", ALL_TEXT)))
            case Slot.CONSENT_DATE:
                return self._day(str(context.get("since", "")), taken.language)
            case Slot.PREFERENCES_URL:
                return self._signer.url(Purpose.PREFERENCES, ref, now=now)
            case Slot.UNSUBSCRIBE_URL:
                return self._signer.url(Purpose.UNSUBSCRIBE, ref)
        if slot is not Slot.ACTION_URL or kind.spec.leads_to is None:
            raise ValueError(f"a notice of kind {kind} has no value for {slot}")
        issued = taken.planned_at if kind.spec.link_dates_from_request else now
        return self._signer.url(kind.spec.leads_to, ref, extra=str(context.get("extra", "")), now=issued)

    def _expires_days(self, purpose: Purpose | None) -> int:
        """Return for how many days the link of a notice works; 0 without a link."""
        if purpose is Purpose.KEEP:
            return self._settings.retention.answer_days
        return LIFETIMES[purpose].days if purpose else 0

    def _day(self, text: str, language: str) -> str:
        """Return an instant's day in the recipient's language; empty for what is no instant."""
        try:
            day = datetime.fromisoformat(text).astimezone(self._settings.publication.zone).date()
        except ValueError:
            return ""
        return long_date(day, locale_of(language))

    def _identity(self, language: str) -> Identity:
        publication = self._settings.publication
        name = pick(publication.name, language)
        return Identity(
            sender_name=pick(publication.sender_name, language) or name,
            sender_address=publication.sender_address,
            # one name for all languages: a List-Id is to be stable
            list_name=pick(publication.name, publication.language),
            list_id=publication.list_id or publication.sender_domain,
            reply_to=publication.reply_to or "",
            archive_url=f"{publication.base_url}/archive?lang={language}",
        )

    def _logo(self, language: str) -> LogoView | None:
        try:
            return logo_view(self._settings, language)
        except ContentError:  # issues are held back by it; who asked for a mail gets it
            return None

    def _make_edition_form(self, edition_id: int) -> _Form:
        edition = self._editions[edition_id]
        identity, about = self._identity(edition.language), f"issue-{edition.issue}"
        header = shared_header(identity, edition.subject, about=about, part=edition.language)
        view_url = self._signer.url(Purpose.VIEW, edition.content_hash)
        return _Form(header, edition.parts, edition.issue, view_url)

    def _make_notice_form(
        self, kind: NoticeKind, language: str, frequency: str = "", *, event: Mapping[str, Any] | None = None
    ) -> _Form:
        identity = self._identity(language)
        publication = self._settings.publication
        view = PublicationView(
            name=pick(publication.name, language),
            tagline=pick(publication.tagline, language),
            sender_name=identity.sender_name,
            postal_address=pick(publication.postal_address, language),
            base_url=publication.base_url,
            logo=self._logo(language),
        )
        context = NoticeContext(
            publication=view,
            expires_days=self._expires_days(kind.spec.leads_to),
            subscribe_url=f"{publication.base_url}/subscribe?lang={language}",
            frequency=frequency,
            event=event_view(event, self._templates.translate(language), publication.zone) if event else None,
        )
        rendered = render_notice(kind, language, context, self._templates)
        # the recipient is not on the list yet, or any more: the mail is about the subscription, not from it
        identity = replace(identity, archive_url="")
        header = shared_header(identity, rendered.subject, about=kind.value, part=language)
        return _Form(header, encode(rendered.html, rendered.text, rendered.nonce))

    def _interests_in_words(self, language: str, interests: str) -> str:
        translate = self._templates.translate(language)
        return interests_in_words(interests, language, self._settings.interest, self._catalogue, translate)
