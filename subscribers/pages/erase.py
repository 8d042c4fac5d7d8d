"""Erasure of personal data: GET says what is erased and what is kept, POST erases at once and for good."""

from fastapi import Request
from starlette.responses import Response

from subscribers import preferences
from subscribers.consent import ConsentMethod
from subscribers.links import Purpose
from subscribers.models import Subscriber
from subscribers.pages.page import BasePage, Posted


class ErasePage(BasePage):
    """Erasure on the subscriber's own request."""

    def erase(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.ERASE, token)
        return self.unknown(request) if person is None else self._erase_page(person)

    def post_erase(self, request: Request, token: str, form: Posted) -> Response:
        context, now = self.context, self.context.now()
        found = self.shown_to(Purpose.ERASE, token)
        if found is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.ERASE, found)
        if refused:
            return self._erase_page(found, problem=refused)
        if form.one("confirm") != "erase":
            return self._erase_page(found, problem="choice")
        with context.write() as session:
            language = self.language_of(found)
            done = preferences.erase(
                session,
                found,
                method=ConsentMethod.PAGE,
                now=now,
                secret=context.secret,
                forget=context.forget,
                wording=self.wording(session, "erase", language),
            )
        if not done:  # erased by another request meanwhile
            return self.unknown(request)
        return self.done_page("erase", language, person=None)

    def _erase_page(self, person: Subscriber, *, problem: str = "") -> Response:
        back = self.preferences_link(person)
        return self.form_page("erase", Purpose.ERASE, person, problem, preferences=back)
