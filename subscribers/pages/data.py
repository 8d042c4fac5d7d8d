"""Download of personal data, by a link mailed to the subscriber: GET shows a button, POST returns the file."""

import json

from fastapi import Request
from starlette.responses import Response

from subscribers.links import Purpose
from subscribers.models import Subscriber
from subscribers.pages.page import BasePage, Posted

DATA_FILE = "digest-data.json"


class DataPage(BasePage):
    """Download of personal data."""

    def data(self, request: Request, token: str) -> Response:
        person = self.shown_to(Purpose.DATA, token)
        return self.unknown(request) if person is None else self._data_page(person)

    def post_data(self, request: Request, token: str, form: Posted) -> Response:
        with self.context.read() as session:
            person = self.person(session, Purpose.DATA, token)
            if person is None:
                return self.unknown(request)
            refused = self.refusal(request, form, Purpose.DATA, person)
            if refused:
                return self._data_page(person, problem=refused)
            data = self.context.own_data(session, person)
        body = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        # A fixed name, which does not reveal on a shared machine whose data it is.
        attached = {"Content-Disposition": f'attachment; filename="{DATA_FILE}"'}
        return Response(body, media_type="application/json", headers=attached)

    def _data_page(self, person: Subscriber, *, problem: str = "") -> Response:
        return self.form_page("data", Purpose.DATA, person, problem)
