"""What the audience's pages need, and how each of them answers."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from sqlmodel import Session
from starlette.responses import HTMLResponse, Response

from subscribers import store
from subscribers.address_change import ChangeDue, Moved
from subscribers.errors import LinkInvalidError
from subscribers.interests import Catalogue
from subscribers.links import LinkSigner, Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.pages import csrf, wording
from subscribers.pages.csrf import Asking, Gate, Refusal, open_gate
from subscribers.pages.forms import Form, read_form
from subscribers.pages.samples import sample
from subscribers.pages.views import PersonView, view_of
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed

Posted = Annotated[Form, Depends(read_form)]
NOBODY = ""
"""No subscriber's reference."""
REFUSED = {Refusal.FOREIGN: HTTPStatus.FORBIDDEN, Refusal.STALE: HTTPStatus.BAD_REQUEST}


@dataclass(frozen=True, slots=True)
class InterestView:
    """An interest in the page's language."""

    slug: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class PagePublication:
    """The publication in the page's language."""

    name: str
    tagline: str
    postal_address: str
    reply_to: str
    interests: Sequence[InterestView]


@dataclass(frozen=True, slots=True)
class PagesContext:
    """Everything the pages need, given by whoever builds the application.

    `read` and `write` open a session for one transaction, which ends well when the block does. `languages` are codes
    with their own names, the publication's first language first. `choose_language(asked, accept_language)` returns one
    of the codes. `render(template, language, values)` returns HTML. The callbacks write in the same transaction, but
    `own_data`, which only reads. `gate` holds back who asks for too many mails. The headers of every answer are the
    application's business.
    """

    read: Callable[[], AbstractContextManager[Session]]
    write: Callable[[], AbstractContextManager[Session]]
    now: Callable[[], datetime]
    new_ref: Callable[[], str]
    signer: LinkSigner
    secret: bytes
    timezone: tzinfo
    catalogue: Catalogue
    languages: Sequence[tuple[str, str]]
    publication: Callable[[str], PagePublication]
    choose_language: Callable[[str, str], str]
    render: Callable[[str, str, Mapping[str, Any]], str]
    stylesheet: Callable[[], str]
    confirmation_due: Callable[[Session, ConfirmationDue], None]
    change_due: Callable[[Session, ChangeDue], None]
    on_moved: Callable[[Session, Moved], None]
    forget: Callable[[Session, Subscriber], None]
    data_due: Callable[[Session, Subscriber], None]
    own_data: Callable[[Session, Subscriber], Mapping[str, Any]]
    on_confirmed: Callable[[Session, Confirmed], None] | None = None
    on_unsubscribed: Callable[[Session, Withdrawal], None] | None = None
    gate: Gate = open_gate
    confirmation_withheld: Callable[[Session, datetime], None] | None = None


class BasePage:
    """What every page does: find out whom a link names, speak their language, answer with the headers."""

    def __init__(self, context: PagesContext) -> None:
        self.context = context
        self._languages = [{"code": code, "name": own} for code, own in context.languages]

    def named(self, session: Session, purpose: Purpose, token: str) -> Subscriber | None:
        """Return who a link names, erased or not; None for a link that is forged, expired, or of nobody.

        The database is asked whatever the link is, so that the time tells nobody why it does not work. After a change
        of address the old mailbox may be somebody else's: what was mailed there before only serves to leave, by links
        that never expire.
        """
        ref, issued_at = NOBODY, None
        with suppress(LinkInvalidError):
            payload = self.context.signer.read(purpose, token, self.context.now())
            ref, issued_at = payload.ref, payload.issued_at
        person = store.by_ref(session, ref)
        since = person.address_since if person else None
        return None if issued_at and since and issued_at < since.replace(microsecond=0) else person

    def ref(self, purpose: Purpose, token: str) -> str:
        """Return the reference in a link; nobody's for a link that is forged or expired."""
        try:
            return self.context.signer.read(purpose, token, self.context.now()).ref
        except LinkInvalidError:
            return NOBODY

    def person(self, session: Session, purpose: Purpose, token: str) -> Subscriber | None:
        """Return who a link names; None for a link that does not work, or of somebody erased."""
        person = self.named(session, purpose, token)
        return None if person is None or person.state == SubscriberState.ERASED else person

    def shown_to(self, purpose: Purpose, token: str) -> Subscriber | None:
        """Return who a link names, as a page that changes nothing shows them."""
        with self.context.read() as session:
            return self.person(session, purpose, token)

    def locked(self, session: Session, person: Subscriber) -> Subscriber | None:
        """Return somebody's row for changing, as it is now; None if they were erased in the meantime."""
        row = store.lock(session, person)
        return None if row.state == SubscriberState.ERASED else row

    def form_token(self, purpose: Purpose, person: Subscriber) -> str:
        """Return the hidden field of the forms on a person's page."""
        return csrf.token(self.context.signer, purpose, person.ref, self.context.now())

    def refusal(self, request: Request, form: Form, purpose: Purpose, person: Subscriber) -> Refusal:
        """Say whether a form on a person's page was posted from that page, not too long after it was shown."""
        context = self.context
        return csrf.refusal(request.headers, form, context.signer, purpose, ref=person.ref, now=context.now())

    def admit(self, request: Request, address_key: str, *, bare: bool = False) -> None:
        """Count somebody who asks for a mail to this address; raise HTTPException 429 when it is too much.

        For every route that makes a mail go to an address which the person only says is theirs. Leaving is never held
        back.
        """
        host = request.client.host if request.client else ""
        wait = self.context.gate(Asking(host, address_key, bare))
        if wait:
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(wait)})

    def view(self, person: Subscriber) -> PersonView:
        return view_of(person, self.context.catalogue, self.context.timezone, self.context.now())

    def language_of(self, person: Subscriber) -> str:
        return self.context.choose_language(person.language, "")

    def language(self, request: Request, asked: str = "") -> str:
        asked = asked or request.query_params.get("lang", "")
        return self.context.choose_language(asked[:35], request.headers.get("accept-language", ""))

    def unknown(self, request: Request) -> Response:
        """Answer every link that does not work in the same way: nobody learns whether it ever did."""
        return self.page("message", self.language(request), 404, kind="link")

    def wording(self, session: Session, page: str, language: str) -> str:
        """Return the version of the words that a page shows, and keep them: the proof of what somebody agreed to."""
        name, values = sample(page, language)
        return wording.keep(session, page, language, self.html(name, language, **values), self.context.now())

    def page(self, name: str, language: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self.html(name, language, **values), status_code=status)

    def form_page(
        self, name: str, purpose: Purpose, person: Subscriber, /, *, status: int = 200, **values: Any
    ) -> Response:
        """Return a person's page whose form posts for `purpose`."""
        token = self.form_token(purpose, person)
        shown = {"person": self.view(person), "form_token": token, **values}
        return self.page(name, self.language_of(person), status, **shown)

    def preferences_link(self, person: Subscriber) -> str:
        """Return the way from a page with a link of its own to the person's preferences."""
        return "../preferences/" + self.context.signer.token(Purpose.PREFERENCES, person.ref, now=self.context.now())

    def html(self, name: str, language: str, *, path: str = "", **values: Any) -> str:
        """Return a page's HTML."""
        common = {
            "language": language,
            "languages": self._languages,
            "path": path,
            "base_url": self.context.signer.base_url,
            "publication": self.context.publication(language),
        }
        return self.context.render(f"web/{name}.html.j2", language, common | values)
