"""Sign-up form and confirmation page."""

from html import escape

from fastapi import Request
from sqlmodel import Session
from starlette.responses import Response

from subscribers import signup, store
from subscribers.address import MAX_OCTETS, EmailAddress
from subscribers.address_doubts import suggestion
from subscribers.consent import ConsentMethod
from subscribers.errors import AddressError, LinkInvalidError, NameUnusableError
from subscribers.links import Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.names import MAX_LENGTH, parse_name
from subscribers.pages import csrf, wording
from subscribers.pages.csrf import TRAP, FormStamp
from subscribers.pages.forms import Form
from subscribers.pages.page import BasePage, Posted
from subscribers.pages.views import FormInvalidError, read_interests
from subscribers.signup import SignupForm

START = "start"
"""Hidden field of the short form on the start page."""
_REPEATED = ("form", "shown", "name", "scope", "interest", "language", "agree", START)
"""The fields of a sign-up besides the address; its stamp, too: a new one would be too fast."""


class SubscribePage(BasePage):
    """Sign-up and confirmation."""

    def subscribe(self, request: Request, lang: str = "") -> Response:
        answer = self._subscribe_page(self.language(request, lang))
        answer.headers["X-Robots-Tag"] = "all"  # people search for it
        return answer

    def post_subscribe(self, request: Request, form: Posted) -> Response:
        language = self.language(request, form.one("language"))
        shown_in = self.language(request, form.one("shown") or language)
        context, now = self.context, self.context.now()
        try:
            address = EmailAddress.parse(form.one("email"))
            asked = SignupForm(address, language, read_interests(form, context.catalogue), self._name(form, language))
            self._check_agreed(form, language)
        except AddressError:
            return self._subscribe_page(language, problem="address", typed=form)
        except NameUnusableError:
            return self._subscribe_page(language, problem=self._missing(form, "name"), typed=form)
        except FormInvalidError as error:
            return self._subscribe_page(language, problem=self._missing(form, error.problem), typed=form)
        shown = csrf.shown(form, context.signer, now)
        if shown == FormStamp.TOO_FAST:
            return self._subscribe_page(language, problem="fast", typed=form)
        self.admit(request, address.key, bare=shown != FormStamp.WELL)
        if not form.one(TRAP):
            with context.write() as session:
                signup.request(
                    session,
                    asked,
                    method=ConsentMethod.PAGE,
                    now=now,
                    new_ref=context.new_ref,
                    secret=context.secret,
                    confirmation_due=context.confirmation_due,
                    confirmation_withheld=context.confirmation_withheld,
                    wording=self.wording(session, "start" if form.one(START) else "subscribe", shown_in),
                    agreed=self._agreed(session, shown_in),
                )
        # The same response in every case: it must not reveal whether the address is known or the honeypot was noticed.
        return self._subscribe_page(language, done=True, typed=form)

    def _missing(self, form: Form, problem: str) -> str:
        """Return the problem with a form; empty for what the short form of the start page does not ask for."""
        return "" if form.one(START) and problem in {"name", "agree"} else problem

    def _name(self, form: Form, language: str) -> str:
        """Return the name in a form. Raises NameUnusableError for an unusable one, and for none if it is required."""
        asked = self.context.publication(language).name_field
        name = "" if asked == "off" else parse_name(form.one("name"))
        if asked == "required" and not name:
            raise NameUnusableError
        return name

    def _check_agreed(self, form: Form, language: str) -> None:
        if self.context.publication(language).consent_text and form.one("agree") != "yes":
            raise FormInvalidError("agree")

    def _agreed(self, session: Session, language: str) -> str:
        """Store the publisher's consent text; return its version, empty without a text."""
        text = self.context.publication(language).consent_text
        return text and wording.keep(session, "consent", language, escape(text), self.context.now())

    def _subscribe_page(
        self, language: str, *, done: bool = False, problem: str = "", typed: Form | None = None
    ) -> Response:
        """Return the form; `typed` is a posted one whose values it shows again."""
        blank, typed = typed is None, typed or Form({})
        # By what was typed alone: it says nothing about who is known here.
        suggested = suggestion(typed.one("email").strip()) if done else ""
        return self.page(
            "subscribe",
            language,
            400 if problem else 200,
            path="/subscribe",
            indexed=blank,
            done=done,
            problem=problem,
            email=typed.one("email")[:MAX_OCTETS],
            typed_name=typed.one("name")[: 2 * MAX_LENGTH],
            agreed=typed.one("agree") == "yes",
            everything=not typed.all("interest") if not typed.one("scope") else typed.one("scope") != "some",
            chosen=typed.all("interest"),
            suggested=suggested,
            repeated=[(name, value) for name in _REPEATED for value in typed.all(name)] if suggested else [],
            form_token=csrf.token(self.context.signer, csrf.SUBSCRIBE, "", self.context.now()),
        )

    def confirm(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.CONFIRM, token)
        return self.unknown(request) if person is None else self._confirm_page(person)

    def post_confirm(self, request: Request, token: str, form: Posted) -> Response:
        context, now = self.context, self.context.now()
        person = self.shown_to(Purpose.CONFIRM, token)
        if person is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.CONFIRM, person)
        if refused:
            return self._confirm_page(person, problem=refused)
        try:
            payload = context.signer.read(Purpose.CONFIRM, token, now)
            with context.write() as session:
                asked = store.by_ref(session, payload.ref)
                words = self.wording(session, "confirm", self.language_of(asked)) if asked else ""
                confirmed = signup.confirm(session, payload, now=now, wording=words)
                if confirmed is not None and context.on_confirmed is not None:
                    context.on_confirmed(session, confirmed)
                person = self.person(session, Purpose.CONFIRM, token)
        except LinkInvalidError:
            return self.unknown(request)
        if person is None:
            return self.unknown(request)
        # This token, like a preferences link, proves access to the person's mail.
        return self._confirm_page(person, preferences=self.preferences_link(person))

    def _confirm_page(self, person: Subscriber, *, preferences: str = "", problem: str = "") -> Response:
        done = person.state == SubscriberState.CONFIRMED
        return self.form_page("confirm", Purpose.CONFIRM, person, problem, done=done, preferences=preferences)
