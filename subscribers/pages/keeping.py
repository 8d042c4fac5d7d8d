"""The page that asks whether somebody still wants the mail."""

from fastapi import Request
from starlette.responses import Response

from subscribers import keeping
from subscribers.errors import LinkInvalidError
from subscribers.links import Purpose
from subscribers.models import SubscriberState
from subscribers.pages.context import Pages


class Keeping(Pages):
    """Ask, and renew the consent."""

    def keep(self, request: Request, token: str) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.KEEP, token)
        if person is None or person.state != SubscriberState.CONFIRMED:
            return self.unknown(request)
        return self.page("keep", self.language_of(person), person=self.view(person), done=False, preferences="")

    def post_keep(self, request: Request, token: str) -> Response:
        context, now = self.context, self.context.now()
        try:
            payload = context.signer.read(Purpose.KEEP, token, now)
            with context.write() as session:
                person = keeping.keep(session, payload, now=now)
        except LinkInvalidError:
            return self.unknown(request)
        link = "../preferences/" + context.signer.token(Purpose.PREFERENCES, person.ref, now=now)
        return self.page("keep", self.language_of(person), person=self.view(person), done=True, preferences=link)
