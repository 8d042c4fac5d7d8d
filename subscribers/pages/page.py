"""Base class and context of the public pages."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from http import HTTPStatus
from typing import Annotated, Any, Literal

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
from subscribers.pages.forms import Form, posted_form
from subscribers.pages.samples import sample
from subscribers.pages.views import PersonView, view_of
from subscribers.preferences import Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed

Posted = Annotated[Form, Depends(posted_form)]
NO_REF = ""
"""A reference that no subscriber has."""


@dataclass(frozen=True, slots=True)
class InterestView:
    """An interest in the page's language."""

    slug: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class LogoImage:
    """The logo on the masthead; `dark_url` is empty without a variant for dark pages."""

    url: str
    dark_url: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PagePublication:
    """The publication in the page's language."""

    name: str
    sender_name: str
    tagline: str
    postal_address: str
    reply_to: str
    interests: Sequence[InterestView]
    privacy_policy: str = ""
    consent_text: str = ""
    name_field: Literal["off", "optional", "required"] = "off"
    logo: LogoImage | None = None


@dataclass(frozen=True, slots=True)
class PagesContext:
    """Everything the pages need from the application.

    `read` and `write` open a session for one transaction. `languages` are codes with their own names, the default
    first. `choose_language(asked, accept_language)` returns one of the codes, `render(template, language, values)`
    HTML. The callbacks write in the same transaction; `own_data` only reads. `gate` limits requests for mails. The
    application adds the headers of responses.
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
    """What all pages do: resolve a link to a subscriber, choose their language, render the response."""

    def __init__(self, context: PagesContext) -> None:
        self.context = context
        self._languages = [{"code": code, "name": own} for code, own in context.languages]

    def named(self, session: Session, purpose: Purpose, token: str) -> Subscriber | None:
        """Return the subscriber of a link, erased or not; None for a link that is forged, expired or unknown.

        Against timing attacks, the database is asked in every case. Links issued before a change of address do not
        work, because the old mailbox may be another person's, but for those that never expire: they only unsubscribe.
        """
        ref, issued_at = NO_REF, None
        with suppress(LinkInvalidError):
            payload = self.context.signer.read(purpose, token, self.context.now())
            ref, issued_at = payload.ref, payload.issued_at
        person = store.by_ref(session, ref)
        since = person.address_since if person else None
        return None if issued_at and since and issued_at < since.replace(microsecond=0) else person

    def ref(self, purpose: Purpose, token: str) -> str:
        """Return the reference in a link; NO_REF for a link that is forged or expired."""
        try:
            return self.context.signer.read(purpose, token, self.context.now()).ref
        except LinkInvalidError:
            return NO_REF

    def person(self, session: Session, purpose: Purpose, token: str) -> Subscriber | None:
        """Return the subscriber of a link; None for an invalid link or an erased subscriber."""
        person = self.named(session, purpose, token)
        return None if person is None or person.state == SubscriberState.ERASED else person

    def shown_to(self, purpose: Purpose, token: str) -> Subscriber | None:
        """Return the subscriber of a link as `person` does, in a transaction of its own."""
        with self.context.read() as session:
            return self.person(session, purpose, token)

    def locked(self, session: Session, person: Subscriber) -> Subscriber | None:
        """Return the subscriber's current row, locked; None if they were erased in the meantime."""
        row = store.lock(session, person)
        return None if row.state == SubscriberState.ERASED else row

    def refusal(self, request: Request, form: Form, purpose: Purpose, person: Subscriber) -> Refusal:
        """Return why a form on a subscriber's page is refused, if it is."""
        context = self.context
        return csrf.refusal(request.headers, form, context.signer, purpose, ref=person.ref, now=context.now())

    def admit(self, request: Request, address_key: str, *, bare: bool = False) -> None:
        """Count a request for a mail to an unverified address. Raises HTTPException 429 beyond the limits."""
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
        """Return the page for every invalid link, the same whether or not the link ever worked."""
        return self.page("message", self.language(request), 404, kind="link")

    def wording(self, session: Session, page: str, language: str) -> str:
        """Store the text of a page, as proof of what was consented to, and return its version."""
        name, values = sample(page, language)
        return wording.keep(session, page, language, self.html(name, language, **values), self.context.now())

    def page(self, name: str, language: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self.html(name, language, **values), status_code=status)

    def form_page(
        self, name: str, purpose: Purpose, person: Subscriber, problem: str = "", /, **values: Any
    ) -> Response:
        """Return a subscriber's page whose form posts for `purpose`; `problem` names what was wrong with the last post.

        The status is 403 for a form from another site, 400 for other problems.
        """
        status = 403 if problem == Refusal.FOREIGN else 400 if problem else 200
        token = csrf.token(self.context.signer, purpose, person.ref, self.context.now())
        shown = {"person": self.view(person), "form_token": token, "problem": problem, "done": False, "preferences": ""}
        return self.page(name, self.language_of(person), status, **shown | values)

    def done_page(self, name: str, language: str, **values: Any) -> Response:
        """Return a page after its action, without a form."""
        shown: dict[str, Any] = {"done": True, "preferences": "", "problem": "", "form_token": "", **values}
        return self.page(name, language, **shown)

    def preferences_link(self, person: Subscriber) -> str:
        """Return the path of the subscriber's preferences."""
        return self.context.signer.path(Purpose.PREFERENCES, person.ref, now=self.context.now())

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
