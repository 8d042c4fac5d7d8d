"""Page that asks for renewed consent."""

from fastapi import Request
from starlette.responses import Response

from subscribers import reconsent
from subscribers.errors import LinkInvalidError
from subscribers.links import Purpose
from subscribers.models import Subscriber, SubscriberState
from subscribers.pages.page import BasePage, Posted


class ReconsentPage(BasePage):
    """Renewal of consent."""

    def keep(self, request: Request, token: str) -> Response:
        person = self._asked(token)
        return self.unknown(request) if person is None else self._keep_page(person)

    def post_keep(self, request: Request, token: str, form: Posted) -> Response:
        context, now = self.context, self.context.now()
        asked = self._asked(token)
        if asked is None:
            return self.unknown(request)
        refused = self.refusal(request, form, Purpose.KEEP, asked)
        if refused:
            return self._keep_page(asked, problem=refused)
        try:
            payload = context.signer.read(Purpose.KEEP, token, now)
            with context.write() as session:
                words = self.wording(session, "keep", self.language_of(asked))
                person = reconsent.keep(session, payload, now=now, wording=words)
        except LinkInvalidError:
            return self.unknown(request)
        return self._keep_page(person, done=True, preferences=self.preferences_link(person))

    def _asked(self, token: str) -> Subscriber | None:
        """Return the confirmed subscriber of a link, if there is one."""
        person = self.shown_to(Purpose.KEEP, token)
        return person if person is not None and person.state == SubscriberState.CONFIRMED else None

    def _keep_page(
        self, person: Subscriber, *, done: bool = False, preferences: str = "", problem: str = ""
    ) -> Response:
        return self.form_page("keep", Purpose.KEEP, person, problem, done=done, preferences=preferences)
