"""The preferences page: what a reader gets, where, how often, and when not; and what we keep about them."""

import json
from datetime import datetime

from fastapi import Request
from sqlmodel import Session
from starlette.responses import Response

from subscribers import moving, preferences
from subscribers.address import EmailAddress
from subscribers.consent import ConsentMethod
from subscribers.errors import AddressError
from subscribers.forms import Form
from subscribers.links import Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.pages.context import Pages, Posted
from subscribers.views import FormInvalidError, read_preferences

DATA_FILE = "digest-data.json"


class Preferring(Pages):
    """Show and save preferences, ask for another address, hand out a person's data."""

    def preferences(self, request: Request, token: str) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.PREFERENCES, token)
        return self.unknown(request) if person is None else self._preferences_page(person)

    def post_preferences(self, request: Request, token: str, form: Posted) -> Response:
        if form.one("do") == "data":
            return self._data(request, token)
        notice, problem = "", ""
        with self.context.write() as session:
            person = self.person(session, Purpose.PREFERENCES, token)
            if person is None:
                return self.unknown(request)
            try:
                notice = self._act(session, person, form, self.context.now())
            except FormInvalidError as error:
                problem = error.problem
        typed = form.one("email")[:254] if problem == "address" else ""
        return self._preferences_page(person, notice=notice, problem=problem, new=typed)

    def _act(self, session: Session, person: Subscriber, form: Form, now: datetime) -> str:
        """Do what was asked for; return what was done. Raises FormInvalidError for what the page does not offer."""
        left = person.state == SubscriberState.UNSUBSCRIBED
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
                self._ask_for_address(session, person, form, now)
                return "address"
        raise FormInvalidError("choice")

    def _words(self, session: Session, person: Subscriber) -> str:
        page = "again" if person.state == SubscriberState.UNSUBSCRIBED else "preferences"
        return self.wording(session, page, self.language_of(person))

    def _save(self, session: Session, person: Subscriber, form: Form, now: datetime) -> None:
        context, how = self.context, ConsentMethod.PAGE
        codes = tuple(code for code, _ in context.languages)
        saved = read_preferences(form, context.catalogue, codes, context.timezone, now)
        words = self._words(session, person)
        preferences.change(session, person, saved.choices, method=how, now=now, wording=words)
        if saved.paused_until is None:
            preferences.resume(session, person, method=how, now=now, wording=words)
        else:
            preferences.pause(session, person, saved.paused_until, method=how, now=now, wording=words)

    def _ask_for_address(self, session: Session, person: Subscriber, form: Form, now: datetime) -> None:
        try:
            address = EmailAddress.parse(form.one("email"))
        except AddressError as error:
            raise FormInvalidError("address") from error
        moving.request(
            session,
            person,
            address,
            now=now,
            secret=self.context.secret,
            new_ref=self.context.new_ref,
            change_due=self.context.change_due,
            wording=self._words(session, person),
        )

    def _data(self, request: Request, token: str) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.PREFERENCES, token)
            if person is None:
                return self.unknown(request)
            data = self.context.own_data(session, person)
        body = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        # A fixed name: what is saved by it must not say on a shared machine whose it is.
        attached = {"Content-Disposition": f'attachment; filename="{DATA_FILE}"'}
        return Response(body, media_type="application/json", headers=self.headers | attached)

    def _preferences_page(self, person: Subscriber, *, notice: str = "", problem: str = "", new: str = "") -> Response:
        context, now = self.context, self.context.now()
        return self.page(
            "preferences",
            self.language_of(person),
            400 if problem else 200,
            person=self.view(person),
            notice=notice,
            problem=problem,
            new=new,
            unsubscribe="../unsubscribe/" + context.signer.token(Purpose.UNSUBSCRIBE, person.ref),
            erase="../erase/" + context.signer.token(Purpose.ERASE, person.ref, now=now),
            today=now.astimezone(context.timezone).date(),
        )
