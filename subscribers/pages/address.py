"""Confirmation of a new address, by the link mailed there: GET shows a button, POST changes the address."""

from fastapi import Request
from starlette.responses import Response

from subscribers import address_change, store
from subscribers.address import mask
from subscribers.address_change import ChangeState
from subscribers.errors import LinkInvalidError
from subscribers.links import Purpose
from subscribers.models import Subscriber
from subscribers.pages.page import BasePage, Posted


class AddressPage(BasePage):
    """Confirm a change of address."""

    def address(self, request: Request, token: str) -> Response:
        context, now = self.context, self.context.now()
        try:
            payload = context.signer.read(Purpose.ADDRESS, token, now)
            with context.read() as session:
                person, change = address_change.change_of(session, payload, now)
        except LinkInvalidError:
            return self.unknown(request)
        if change.state == ChangeState.DONE:
            return self._done(person)
        return self._asking(person, change.address)

    def post_address(self, request: Request, token: str, form: Posted) -> Response:
        context, now = self.context, self.context.now()
        try:
            payload = context.signer.read(Purpose.ADDRESS, token, now)
            with context.read() as session:
                person, change = address_change.change_of(session, payload, now)
            refused = self.refusal(request, form, Purpose.ADDRESS, person)
            if refused:
                return self._asking(person, change.address, problem=refused)
            with context.write() as session:
                found = store.by_ref(session, payload.ref)
                words = self.wording(session, "address", self.language_of(found)) if found else ""
                person = address_change.confirm(session, payload, now=now, on_moved=context.on_moved, wording=words)
        except LinkInvalidError:
            return self.unknown(request)
        return self._done(person)

    def _asking(self, person: Subscriber, address: str, *, problem: str = "") -> Response:
        return self.form_page("address", Purpose.ADDRESS, person, problem, masked=mask(address))

    def _done(self, person: Subscriber) -> Response:
        # This token, like a preferences link, proves access to the mail at the new address.
        link, masked = self.preferences_link(person), mask(person.address)
        return self.done_page("address", self.language_of(person), masked=masked, preferences=link)
