"""What the audience's pages need, and how each of them answers."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlmodel import Session
from starlette.responses import HTMLResponse, Response

from subscribers import store, wording
from subscribers.errors import LinkInvalidError
from subscribers.forms import Form, read_form
from subscribers.interests import Catalogue
from subscribers.links import LinkPayload, LinkSigner, Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.moving import ChangeDue, Moved
from subscribers.pages.samples import sample
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed
from subscribers.views import PersonView, view_of

Posted = Annotated[Form, Depends(read_form)]

HEADERS = {
    # The token is in the address: it must not reach the next site, a cache or a search engine.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}
STRICT_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(frozen=True, slots=True)
class InterestView:
    """An interest in the page's language."""

    slug: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class PublicationView:
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
    `own_data`, which only reads.
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
    publication: Callable[[str], PublicationView]
    choose_language: Callable[[str, str], str]
    render: Callable[[str, str, Mapping[str, Any]], str]
    stylesheet: Callable[[], str]
    confirmation_due: Callable[[Session, ConfirmationDue], None]
    change_due: Callable[[Session, ChangeDue], None]
    on_moved: Callable[[Session, Moved], None]
    forget: Callable[[Session, int], None]
    own_data: Callable[[Session, Subscriber], Mapping[str, Any]]
    on_confirmed: Callable[[Session, Confirmed], None] | None = None
    on_unsubscribed: Callable[[Session, Withdrawal], None] | None = None


class Pages:
    """What every page does: find out whom a link names, speak their language, answer with the headers."""

    def __init__(self, context: PagesContext) -> None:
        self.context = context
        https = context.signer.base_url.startswith("https://")
        self.headers = HEADERS | (STRICT_TRANSPORT if https else {})

    def person(self, session: Session, purpose: Purpose, token: str) -> Subscriber | None:
        """Return who a link names; None for a link that is forged, expired, of nobody, or of somebody erased."""
        try:
            payload = self.context.signer.read(purpose, token, self.context.now())
        except LinkInvalidError:
            return None
        return self.named(session, payload)

    def named(self, session: Session, payload: LinkPayload) -> Subscriber | None:
        """Return whom a genuine token names, if it may still open their pages.

        After a change of address the old mailbox may be somebody else's: what was mailed there before only serves to
        leave, by links that never expire.
        """
        person = store.by_ref(session, payload.ref)
        if person is None or person.state == SubscriberState.ERASED:
            return None
        since = person.address_since
        if payload.issued_at and since and payload.issued_at < since.replace(microsecond=0):
            return None
        return person

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
        return HTMLResponse(self.html(name, language, **values), status_code=status, headers=self.headers)

    def html(self, name: str, language: str, *, path: str = "", **values: Any) -> str:
        """Return a page's HTML."""
        common = {
            "language": language,
            "languages": [{"code": code, "name": own} for code, own in self.context.languages],
            "path": path,
            "base_url": self.context.signer.base_url,
            "publication": self.context.publication(language),
        }
        return self.context.render(f"web/{name}.html.j2", language, common | values)
