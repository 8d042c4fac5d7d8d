"""The audience's pages: subscribe, confirm, preferences, unsubscribe. GET shows, only POST acts.

There is no cookie and no login: the signed link is the authority, and a foreign site that does not have it can do
nothing with a visitor's browser. That is why the forms need no token against cross-site requests. The sign-up form is
open to everybody anyway; all that it can cause is one confirmation mail a day.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from sqlmodel import Session
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from subscribers import preferences, signup, store
from subscribers.address import EmailAddress
from subscribers.consent import ConsentMethod
from subscribers.errors import AddressError, LinkInvalidError
from subscribers.forms import Form, read_form
from subscribers.interests import Catalogue
from subscribers.links import LinkSigner, Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.preferences import Choices, Withdrawal
from subscribers.signup import ConfirmationDue, Confirmed, SignupForm
from subscribers.views import (
    PAUSE_MONTHS,
    FormInvalidError,
    PersonView,
    fewer_interests,
    longer_pause,
    rarer,
    read_interests,
    read_preferences,
    view_of,
)

READ = ["GET", "HEAD"]
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
    of the codes. `render(template, language, values)` returns HTML. The three callbacks write in the same transaction.
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
    on_confirmed: Callable[[Session, Confirmed], None] | None = None
    on_unsubscribed: Callable[[Session, Withdrawal], None] | None = None


def build_router(context: PagesContext) -> APIRouter:
    """Return the routes /subscribe, /confirm, /preferences, /unsubscribe, /undo, /test and the style sheet."""
    pages = _Pages(context)
    router = APIRouter(include_in_schema=False)
    for path, show, act in (
        ("/subscribe", pages.subscribe, pages.post_subscribe),
        ("/confirm/{token}", pages.confirm, pages.post_confirm),
        ("/preferences/{token}", pages.preferences, pages.post_preferences),
        ("/unsubscribe/{token}", pages.unsubscribe, pages.post_unsubscribe),
        ("/undo/{token}", pages.undo, pages.post_undo),
        # A test mail goes to an editor, who may try its links; they must change nothing about anybody.
        ("/test/{token}", pages.test, pages.test),
    ):
        router.add_api_route(path, show, methods=READ)
        router.add_api_route(path, act, methods=["POST"])
    router.add_api_route("/static/pages.css", pages.stylesheet, methods=READ)
    return router


class _Pages:
    def __init__(self, context: PagesContext) -> None:
        self._context = context
        https = context.signer.base_url.startswith("https://")
        self._headers = HEADERS | (STRICT_TRANSPORT if https else {})

    # Sign-up

    def subscribe(self, request: Request, lang: str = "") -> Response:
        language = self._language(request, lang)
        return self._page("subscribe", language, path="/subscribe", done=False, problem="", email="")

    def post_subscribe(self, request: Request, form: Posted) -> Response:
        language = self._language(request, form.one("language"))
        context = self._context
        try:
            address = EmailAddress.parse(form.one("email"))
            asked = SignupForm(address, language, read_interests(form, context.catalogue))
        except AddressError:
            typed = form.one("email")[:254]
            return self._page("subscribe", language, 400, path="/subscribe", done=False, problem="address", email=typed)
        except FormInvalidError as error:
            return self._page(
                "subscribe", language, 400, path="/subscribe", done=False, problem=error.problem, email=""
            )
        with context.write() as session:
            signup.request(
                session,
                asked,
                method=ConsentMethod.PAGE,
                now=context.now(),
                new_ref=context.new_ref,
                secret=context.secret,
                confirmation_due=context.confirmation_due,
            )
        # The same answer to everybody: who types an address must not learn whether it is a reader's.
        return self._page("subscribe", language, path="/subscribe", done=True, problem="", email="")

    def confirm(self, request: Request, token: str) -> Response:
        with self._context.read() as session:
            person = self._person(session, Purpose.CONFIRM, token)
        if person is None:
            return self._unknown(request)
        done = person.state == SubscriberState.CONFIRMED
        return self._page("confirm", self._language_of(person), person=self._view(person), done=done, preferences="")

    def post_confirm(self, request: Request, token: str) -> Response:
        context, now = self._context, self._context.now()
        try:
            payload = context.signer.read(Purpose.CONFIRM, token, now)
            with context.write() as session:
                confirmed = signup.confirm(session, payload, now=now)
                if confirmed is not None and context.on_confirmed is not None:
                    context.on_confirmed(session, confirmed)
                person = store.by_ref(session, payload.ref)
        except LinkInvalidError:
            return self._unknown(request)
        if person is None:
            return self._unknown(request)
        # Whoever has this token reads the person's mail, as whoever has a preferences link does.
        link = "../preferences/" + context.signer.token(Purpose.PREFERENCES, person.ref, now=now)
        return self._page("confirm", self._language_of(person), person=self._view(person), done=True, preferences=link)

    # Preferences

    def preferences(self, request: Request, token: str) -> Response:
        with self._context.read() as session:
            person = self._person(session, Purpose.PREFERENCES, token)
        return self._unknown(request) if person is None else self._preferences_page(person)

    def post_preferences(self, request: Request, token: str, form: Posted) -> Response:
        context, now = self._context, self._context.now()
        notice, problem = "", ""
        with context.write() as session:
            person = self._person(session, Purpose.PREFERENCES, token)
            if person is None:
                return self._unknown(request)
            try:
                if form.one("do") == "again":
                    preferences.resubscribe(session, person, now=now, secret=context.secret)
                    notice = "again"
                elif form.one("do") == "save":
                    self._save(session, person, form, now)
                    notice = "saved"
                else:
                    problem = "choice"
            except FormInvalidError as error:
                problem = error.problem
        return self._preferences_page(person, notice=notice, problem=problem)

    def _save(self, session: Session, person: Subscriber, form: Form, now: datetime) -> None:
        context = self._context
        codes = tuple(code for code, _ in context.languages)
        saved = read_preferences(form, context.catalogue, codes, context.timezone, now)
        preferences.change(session, person, saved.choices, method=ConsentMethod.PAGE, now=now)
        if saved.paused_until is None:
            preferences.resume(session, person, method=ConsentMethod.PAGE, now=now)
        else:
            preferences.pause(session, person, saved.paused_until, method=ConsentMethod.PAGE, now=now)

    def _preferences_page(self, person: Subscriber, *, notice: str = "", problem: str = "") -> Response:
        return self._page(
            "preferences",
            self._language_of(person),
            400 if problem else 200,
            person=self._view(person),
            notice=notice,
            problem=problem,
            unsubscribe="../unsubscribe/" + self._context.signer.token(Purpose.UNSUBSCRIBE, person.ref),
            today=self._context.now().astimezone(self._context.timezone).date(),
        )

    # Leaving

    def unsubscribe(self, request: Request, token: str) -> Response:
        with self._context.read() as session:
            person = self._person(session, Purpose.UNSUBSCRIBE, token)
        return self._unknown(request) if person is None else self._unsubscribe_page(person)

    def post_unsubscribe(self, request: Request, token: str, form: Posted) -> Response:
        if form.one("List-Unsubscribe") == "One-Click":
            return self._one_click(request, token)
        context, now = self._context, self._context.now()
        notice, problem = "", ""
        with context.write() as session:
            person = self._person(session, Purpose.UNSUBSCRIBE, token)
            if person is None:
                return self._unknown(request)
            if form.one("confirm") == "leave":
                self._leave(session, person, ConsentMethod.PAGE, now)
            else:
                try:
                    notice = self._less(session, person, form, now)
                except FormInvalidError as error:
                    # Not 200: a program that takes this for an unsubscribe must learn that nothing was done.
                    problem = error.problem
        if form.one("confirm") == "leave":
            undo = "../undo/" + context.signer.token(Purpose.UNDO, person.ref, now=now)
            return self._page("unsubscribed", self._language_of(person), person=self._view(person), undo=undo)
        return self._unsubscribe_page(person, notice=notice, problem=problem)

    def _one_click(self, request: Request, token: str) -> Response:
        """RFC 8058 section 3.2: act at once, without cookie, redirect or question, and as often as it is sent."""
        context, now = self._context, self._context.now()
        try:
            payload = context.signer.read(Purpose.UNSUBSCRIBE, token, now)
        except LinkInvalidError:
            return self._unknown(request)
        with context.write() as session:
            person = store.by_ref(session, payload.ref)
            if person is None:
                return self._unknown(request)
            self._leave(session, person, ConsentMethod.ONE_CLICK, now)
        return PlainTextResponse("You are unsubscribed.\n", headers=self._headers)

    def _leave(self, session: Session, person: Subscriber, method: ConsentMethod, now: datetime) -> None:
        preferences.unsubscribe(
            session,
            person,
            method=method,
            now=now,
            secret=self._context.secret,
            on_unsubscribed=self._context.on_unsubscribed,
        )

    def _less(self, session: Session, person: Subscriber, form: Form, now: datetime) -> str:
        """Do what the page offers instead of leaving; return what was done. The link can only ever make less mail."""
        match form.one("confirm"):
            case "topics":
                choices = Choices(interests=fewer_interests(form, person, self._context.catalogue))
                preferences.change(session, person, choices, method=ConsentMethod.PAGE, now=now)
                return "topics"
            case "rarer" if form.one("frequency") in rarer(person.frequency):
                choices = Choices(frequency=form.one("frequency"))
                preferences.change(session, person, choices, method=ConsentMethod.PAGE, now=now)
                return "rarer"
            case "pause":
                until = longer_pause(form, person, now)
                preferences.pause(session, person, until, method=ConsentMethod.PAGE, now=now)
                return "pause"
        raise FormInvalidError("choice")

    def _unsubscribe_page(self, person: Subscriber, *, notice: str = "", problem: str = "") -> Response:
        language = self._language_of(person)
        if person.state == SubscriberState.UNSUBSCRIBED:
            return self._page("unsubscribed", language, person=self._view(person), undo="")
        return self._page(
            "unsubscribe",
            language,
            400 if problem else 200,
            person=self._view(person),
            rarer=rarer(person.frequency),
            months=PAUSE_MONTHS,
            notice=notice,
            problem=problem,
        )

    def undo(self, request: Request, token: str) -> Response:
        with self._context.read() as session:
            person = self._person(session, Purpose.UNDO, token)
        if person is None:
            return self._unknown(request)
        # An empty address posts to this page itself.
        return self._page("unsubscribed", self._language_of(person), person=self._view(person), undo=token)

    def post_undo(self, request: Request, token: str) -> Response:
        with self._context.write() as session:
            person = self._person(session, Purpose.UNDO, token)
            if person is None:
                return self._unknown(request)
            preferences.resubscribe(session, person, now=self._context.now(), secret=self._context.secret)
        return self._page("confirm", self._language_of(person), person=self._view(person), done=True, preferences="")

    # The rest

    def test(self, request: Request, token: str) -> Response:
        try:
            self._context.signer.read(Purpose.TEST, token, self._context.now())
        except LinkInvalidError:
            return self._unknown(request)
        return self._page("message", self._language(request), kind="test")

    def stylesheet(self) -> Response:
        caching = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(self._context.stylesheet(), media_type="text/css", headers=caching)

    def _person(self, session: Session, purpose: Purpose, token: str) -> Subscriber | None:
        """Return who a link names; None for a link that is forged, expired, of nobody, or of somebody erased."""
        try:
            payload = self._context.signer.read(purpose, token, self._context.now())
        except LinkInvalidError:
            return None
        person = store.by_ref(session, payload.ref)
        return None if person is None or person.state == SubscriberState.ERASED else person

    def _view(self, person: Subscriber) -> PersonView:
        return view_of(person, self._context.catalogue, self._context.timezone, self._context.now())

    def _language_of(self, person: Subscriber) -> str:
        return self._context.choose_language(person.language, "")

    def _language(self, request: Request, asked: str = "") -> str:
        asked = asked or request.query_params.get("lang", "")
        return self._context.choose_language(asked[:35], request.headers.get("accept-language", ""))

    def _unknown(self, request: Request) -> Response:
        """Answer every link that does not work in the same way: nobody learns whether it ever did."""
        return self._page("message", self._language(request), 404, kind="link")

    def _page(self, name: str, language: str, status: int = 200, *, path: str = "", **values: Any) -> Response:
        common = {
            "language": language,
            "languages": [{"code": code, "name": own} for code, own in self._context.languages],
            "path": path,
            "base_url": self._context.signer.base_url,
            "publication": self._context.publication(language),
        }
        html = self._context.render(f"web/{name}.html.j2", language, common | values)
        return HTMLResponse(html, status_code=status, headers=self._headers)
