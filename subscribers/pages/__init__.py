"""The audience's pages: subscribe, confirm, preferences, unsubscribe. GET shows, only POST acts.

There is no cookie and no login: the signed link is the authority. What else protects the forms is in guarding.py. The
sign-up form is open to every site; all that it can cause is one confirmation mail a day for each address.
"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from subscribers.errors import LinkInvalidError
from subscribers.links import Purpose
from subscribers.pages.address import AddressPage
from subscribers.pages.csrf import Asking, Gate
from subscribers.pages.data import DataPage
from subscribers.pages.embed import EmbedPage
from subscribers.pages.erase import ErasePage
from subscribers.pages.page import BasePage, InterestView, PagePublication, PagesContext
from subscribers.pages.preferences import PreferencesPage
from subscribers.pages.reconsent import ReconsentPage
from subscribers.pages.subscribe import SubscribePage
from subscribers.pages.unsubscribe import UnsubscribePage

__all__ = ["Asking", "Gate", "InterestView", "PagePublication", "PagesContext", "build_router"]

READ = ["GET", "HEAD"]


def build_router(context: PagesContext) -> APIRouter:
    """Return the routes of a reader's way, from /subscribe to /erase, and /test, for the links of a test mail."""
    signing_up, preferring, leaving, keeping = (
        SubscribePage(context),
        PreferencesPage(context),
        UnsubscribePage(context),
        ReconsentPage(context),
    )
    moving, erasing, downloading, others = AddressPage(context), ErasePage(context), DataPage(context), Others(context)
    router = APIRouter(include_in_schema=False)
    for path, show, act in (
        ("/subscribe", signing_up.subscribe, signing_up.post_subscribe),
        ("/confirm/{token}", signing_up.confirm, signing_up.post_confirm),
        ("/keep/{token}", keeping.keep, keeping.post_keep),
        ("/preferences/{token}", preferring.preferences, preferring.post_preferences),
        ("/unsubscribe/{token}", leaving.unsubscribe, leaving.post_unsubscribe),
        ("/undo/{token}", leaving.undo, leaving.post_undo),
        ("/address/{token}", moving.address, moving.post_address),
        ("/erase/{token}", erasing.erase, erasing.post_erase),
        ("/data/{token}", downloading.data, downloading.post_data),
        # A test mail goes to an editor, who may try its links; they must change nothing about anybody.
        ("/test/{token}", others.test, others.test),
    ):
        router.add_api_route(path, show, methods=READ)
        router.add_api_route(path, act, methods=["POST"])
    router.add_api_route("/subscribe/embed", EmbedPage(context).embed, methods=READ)
    router.add_api_route("/static/pages.css", others.stylesheet, methods=READ)
    return router


class Others(BasePage):
    """What belongs to no step of a reader's way."""

    def test(self, request: Request, token: str) -> Response:
        try:
            self.context.signer.read(Purpose.TEST, token, self.context.now())
        except LinkInvalidError:
            return self.unknown(request)
        return self.page("message", self.language(request), kind="test")

    def stylesheet(self) -> Response:
        caching = {"Cache-Control": "public, max-age=3600"}
        return Response(self.context.stylesheet(), media_type="text/css", headers=caching)
