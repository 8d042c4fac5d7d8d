"""The preferences page: what a reader gets, how often, and when not."""

from datetime import datetime

from fastapi import Request
from sqlmodel import Session
from starlette.responses import Response

from subscribers import preferences
from subscribers.consent import ConsentMethod
from subscribers.forms import Form
from subscribers.links import Purpose
from subscribers.models import Subscriber
from subscribers.pages.context import REFUSED, Pages, Posted
from subscribers.views import FormInvalidError, read_preferences, retyped


class Preferring(Pages):
    """Show and save preferences."""

    def preferences(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.PREFERENCES, token)
        return self.unknown(request) if person is None else self._preferences_page(person)

    def post_preferences(self, request: Request, token: str, form: Posted) -> Response:
        context, now = self.context, self.context.now()
        person = self.shown_to(Purpose.PREFERENCES, token)
        if person is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.PREFERENCES, person)
        if refused:
            return self._preferences_page(person, problem=refused, status=REFUSED[refused], typed=form)
        notice, problem = "", ""
        with context.write() as session:
            person = self.locked(session, person)
            if person is None:
                return self.unknown(request)
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
        context = self.context
        codes = tuple(code for code, _ in context.languages)
        saved = read_preferences(form, context.catalogue, codes, context.timezone, now)
        preferences.change(session, person, saved.choices, method=ConsentMethod.PAGE, now=now)
        if saved.paused_until is None:
            preferences.resume(session, person, method=ConsentMethod.PAGE, now=now)
        else:
            preferences.pause(session, person, saved.paused_until, method=ConsentMethod.PAGE, now=now)

    def _preferences_page(
        self, person: Subscriber, *, notice: str = "", problem: str = "", status: int = 0, typed: Form | None = None
    ) -> Response:
        """Show the page; `typed` fills the form with what was posted, so that it needs only be sent again."""
        shown = self.view(person)
        if typed is not None and not shown.left:
            shown = retyped(shown, typed, self.context.catalogue, [code for code, _ in self.context.languages])
        return self.page(
            "preferences",
            self.language_of(person),
            status or (400 if problem else 200),
            person=shown,
            notice=notice,
            problem=problem,
            form_token=self.form_token(Purpose.PREFERENCES, person),
            unsubscribe="../unsubscribe/" + self.context.signer.token(Purpose.UNSUBSCRIBE, person.ref),
            today=self.context.now().astimezone(self.context.timezone).date(),
        )
