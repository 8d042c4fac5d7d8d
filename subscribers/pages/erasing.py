"""Being forgotten: GET says what is erased and what is kept, POST erases at once and for good."""

from fastapi import Request
from starlette.responses import Response

from subscribers import preferences
from subscribers.consent import ConsentMethod
from subscribers.links import Purpose
from subscribers.models import Subscriber
from subscribers.pages.context import Pages, Posted


class Erasing(Pages):
    """Erase a person by their own hand."""

    def erase(self, request: Request, token: str) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.ERASE, token)
        return self.unknown(request) if person is None else self._erase_page(person)

    def post_erase(self, request: Request, token: str, form: Posted) -> Response:
        context, now = self.context, self.context.now()
        with context.write() as session:
            person = self.person(session, Purpose.ERASE, token)
            if person is None:
                return self.unknown(request)
            if form.one("confirm") != "erase":
                return self._erase_page(person, status=400)
            language = self.language_of(person)
            preferences.erase(
                session,
                person,
                method=ConsentMethod.PAGE,
                now=now,
                secret=context.secret,
                forget=context.forget,
                wording=self.wording(session, "erase", language),
            )
        return self.page("erase", language, person=None, done=True, preferences="", problem="")

    def _erase_page(self, person: Subscriber, status: int = 200) -> Response:
        back = "../preferences/" + self.context.signer.token(Purpose.PREFERENCES, person.ref, now=self.context.now())
        return self.page(
            "erase",
            self.language_of(person),
            status,
            person=self.view(person),
            done=False,
            preferences=back,
            problem="choice" if status != 200 else "",
        )
