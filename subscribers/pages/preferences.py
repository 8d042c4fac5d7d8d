"""Preferences page: interests, language, format, frequency, pause, address.

Its link is in every issue and gets forwarded with it, so no response reveals who the subscriber is. Personal data is
mailed to their own address (data.py).
"""

from datetime import datetime

from fastapi import Request
from sqlmodel import Session
from starlette.responses import Response

from subscribers import address_change, preferences
from subscribers.address import MAX_OCTETS, EmailAddress
from subscribers.address_doubts import suggestion
from subscribers.consent import ConsentMethod
from subscribers.errors import AddressError
from subscribers.links import Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.pages.forms import Form
from subscribers.pages.page import BasePage, Posted
from subscribers.pages.views import FormInvalidError, read_preferences, retyped


class PreferencesPage(BasePage):
    """Show and save preferences; request another address or personal data."""

    def preferences(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.PREFERENCES, token)
        return self.unknown(request) if person is None else self._preferences_page(person)

    def post_preferences(self, request: Request, token: str, form: Posted) -> Response:
        context = self.context
        person = self.shown_to(Purpose.PREFERENCES, token)
        if person is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.PREFERENCES, person)
        if refused:
            return self._preferences_page(person, problem=refused, typed=form)
        notice, problem = "", ""
        with context.write() as session:
            person = self.locked(session, person)
            if person is None:
                return self.unknown(request)
            try:
                notice = self._act(request, session, person, form)
            except FormInvalidError as error:
                problem = error.problem
        typed = form if problem or notice == "address" else None
        return self._preferences_page(person, notice=notice, problem=problem, typed=typed)

    def _act(self, request: Request, session: Session, person: Subscriber, form: Form) -> str:
        """Do the posted action; return its notice. Raises FormInvalidError for what the page does not offer."""
        now, left = self.context.now(), person.state == SubscriberState.UNSUBSCRIBED
        match form.one("do"):
            case "again":
                words = self._words(session, person)
                preferences.resubscribe(session, person, now=now, secret=self.context.secret, wording=words)
                return "again"
            case "save" if not left:
                self._save(session, person, form, now)
                return "saved"
            case "resume" if not left:
                words = self._words(session, person)
                preferences.resume(session, person, method=ConsentMethod.PAGE, now=now, wording=words)
                return "resumed"
            case "address" if person.state == SubscriberState.CONFIRMED:
                self._ask_for_address(request, session, person, form)
                return "address"
            case "data":
                self.context.data_due(session, person)
                return "data"
        raise FormInvalidError("choice")

    def _words(self, session: Session, person: Subscriber) -> str:
        page = "again" if person.state == SubscriberState.UNSUBSCRIBED else "preferences"
        return self.wording(session, page, self.language_of(person))

    def _save(self, session: Session, person: Subscriber, form: Form, now: datetime) -> None:
        context, how = self.context, ConsentMethod.PAGE
        codes = tuple(code for code, _ in context.languages)
        saved = read_preferences(form, person, context.catalogue, codes, timezone=context.timezone, now=now)
        words = self._words(session, person)
        preferences.change(session, person, saved.choices, method=how, now=now, wording=words)
        if saved.paused_until is None:
            preferences.resume(session, person, method=how, now=now, wording=words)
        else:
            preferences.pause(session, person, saved.paused_until, method=how, now=now, wording=words)

    def _ask_for_address(self, request: Request, session: Session, person: Subscriber, form: Form) -> None:
        try:
            address = EmailAddress.parse(form.one("email"))
        except AddressError as error:
            raise FormInvalidError("address") from error
        self.admit(request, address.key)
        address_change.request(
            session,
            person,
            address,
            now=self.context.now(),
            secret=self.context.secret,
            new_ref=self.context.new_ref,
            change_due=self.context.change_due,
            wording=self._words(session, person),
        )

    def _preferences_page(
        self, person: Subscriber, *, notice: str = "", problem: str = "", typed: Form | None = None
    ) -> Response:
        """Return the page; `typed` is a posted form whose values it shows again."""
        context, now, shown = self.context, self.context.now(), self.view(person)
        suggested = suggestion(typed.one("email").strip()) if typed is not None and notice == "address" else ""
        if typed is not None and typed.one("do") == "save" and not shown.left:
            shown = retyped(shown, typed, context.catalogue, [code for code, _ in context.languages])
        return self.form_page(
            "preferences",
            Purpose.PREFERENCES,
            person,
            problem,
            person=shown,
            notice=notice,
            new=suggested or (typed.one("email")[:MAX_OCTETS] if typed is not None and problem else ""),
            suggested=suggested,
            unsubscribe=context.signer.path(Purpose.UNSUBSCRIBE, person.ref),
            # The page reveals nothing, and a forwarded mail allows to unsubscribe the person anyway.
            erase=context.signer.path(Purpose.ERASE, person.ref, now=now),
            today=now.astimezone(context.timezone).date(),
        )
