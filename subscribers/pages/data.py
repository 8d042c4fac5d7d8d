"""A person's data, by the link that was mailed to their own address: GET shows a button, POST hands out the file."""

import json

from fastapi import Request
from starlette.responses import Response

from subscribers.links import Purpose
from subscribers.models import Subscriber
from subscribers.pages.page import REFUSED, BasePage, Posted

DATA_FILE = "digest-data.json"


class DataPage(BasePage):
    """Hand out what is held about a person to whoever reads their mail."""

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
                return self._data_page(person, problem=refused, status=REFUSED[refused])
            data = self.context.own_data(session, person)
        body = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        # A fixed name: what is saved by it must not say on a shared machine whose it is.
        attached = {"Content-Disposition": f'attachment; filename="{DATA_FILE}"'}
        return Response(body, media_type="application/json", headers=attached)

    def _data_page(self, person: Subscriber, *, problem: str = "", status: int = 200) -> Response:
        return self.form_page("data", Purpose.DATA, person, status=status, problem=problem)
