"""The pages for signing up and confirming."""

from fastapi import Request
from starlette.responses import Response

from subscribers import signup, store
from subscribers.address import EmailAddress
from subscribers.consent import ConsentMethod
from subscribers.errors import AddressError, LinkInvalidError
from subscribers.links import Purpose
from subscribers.models import SubscriberState
from subscribers.pages.context import Pages, Posted
from subscribers.signup import SignupForm
from subscribers.views import FormInvalidError, read_interests


class SigningUp(Pages):
    """Subscribe, and confirm."""

    def subscribe(self, request: Request, lang: str = "") -> Response:
        language = self.language(request, lang)
        return self.page("subscribe", language, path="/subscribe", done=False, problem="", email="")

    def post_subscribe(self, request: Request, form: Posted) -> Response:
        language = self.language(request, form.one("language"))
        context = self.context
        try:
            address = EmailAddress.parse(form.one("email"))
            asked = SignupForm(address, language, read_interests(form, context.catalogue))
        except AddressError:
            typed = form.one("email")[:254]
            return self.page("subscribe", language, 400, path="/subscribe", done=False, problem="address", email=typed)
        except FormInvalidError as error:
            return self.page("subscribe", language, 400, path="/subscribe", done=False, problem=error.problem, email="")
        with context.write() as session:
            signup.request(
                session,
                asked,
                method=ConsentMethod.PAGE,
                now=context.now(),
                new_ref=context.new_ref,
                secret=context.secret,
                confirmation_due=context.confirmation_due,
                wording=self.wording(session, "subscribe", language),
            )
        # The same answer to everybody: who types an address must not learn whether it is a reader's.
        return self.page("subscribe", language, path="/subscribe", done=True, problem="", email="")

    def confirm(self, request: Request, token: str) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.CONFIRM, token)
        if person is None:
            return self.unknown(request)
        done = person.state == SubscriberState.CONFIRMED
        return self.page("confirm", self.language_of(person), person=self.view(person), done=done, preferences="")

    def post_confirm(self, request: Request, token: str) -> Response:
        context, now = self.context, self.context.now()
        try:
            payload = context.signer.read(Purpose.CONFIRM, token, now)
            with context.write() as session:
                asked = store.by_ref(session, payload.ref)
                words = self.wording(session, "confirm", self.language_of(asked)) if asked else ""
                confirmed = signup.confirm(session, payload, now=now, wording=words)
                if confirmed is not None and context.on_confirmed is not None:
                    context.on_confirmed(session, confirmed)
                person = self.named(session, payload)
        except LinkInvalidError:
            return self.unknown(request)
        if person is None:
            return self.unknown(request)
        # Whoever has this token reads the person's mail, as whoever has a preferences link does.
        link = "../preferences/" + context.signer.token(Purpose.PREFERENCES, person.ref, now=now)
        return self.page("confirm", self.language_of(person), person=self.view(person), done=True, preferences=link)
