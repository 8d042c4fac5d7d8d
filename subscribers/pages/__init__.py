"""Public pages: subscribe, confirm, preferences, unsubscribe, erase. GET shows, only POST acts.

There is no cookie and no login: the signed link authorises, csrf.py protects the forms. The sign-up form is open to
every site; it can cause one confirmation mail a day for each address.
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
from subscribers.pages.page import BasePage, InterestView, LogoImage, PagePublication, PagesContext
from subscribers.pages.preferences import PreferencesPage
from subscribers.pages.reconsent import ReconsentPage
from subscribers.pages.subscribe import SubscribePage
from subscribers.pages.unsubscribe import UnsubscribePage

__all__ = ["Asking", "Gate", "InterestView", "LogoImage", "PagePublication", "PagesContext", "build_router"]

READ = ["GET", "HEAD"]


def build_router(context: PagesContext) -> APIRouter:
    """Return the routes from /subscribe to /erase, and /test, for the links of a test mail."""
    subscribe, unsubscribe = SubscribePage(context), UnsubscribePage(context)
    preferences, reconsent, address = PreferencesPage(context), ReconsentPage(context), AddressPage(context)
    erase, data, others = ErasePage(context), DataPage(context), Others(context)
    router = APIRouter(include_in_schema=False)
    for path, show, act in (
        ("/subscribe", subscribe.subscribe, subscribe.post_subscribe),
        ("/confirm/{token}", subscribe.confirm, subscribe.post_confirm),
        ("/keep/{token}", reconsent.keep, reconsent.post_keep),
        ("/preferences/{token}", preferences.preferences, preferences.post_preferences),
        ("/unsubscribe/{token}", unsubscribe.unsubscribe, unsubscribe.post_unsubscribe),
        ("/undo/{token}", unsubscribe.undo, unsubscribe.post_undo),
        ("/address/{token}", address.address, address.post_address),
        ("/erase/{token}", erase.erase, erase.post_erase),
        ("/data/{token}", data.data, data.post_data),
        # A test mail goes to an editor, who may try its links; they change no subscriber.
        ("/test/{token}", others.test, others.test),
    ):
        router.add_api_route(path, show, methods=READ)
        router.add_api_route(path, act, methods=["POST"])
    router.add_api_route("/subscribe/embed", EmbedPage(context).embed, methods=READ)
    router.add_api_route("/static/pages.css", others.stylesheet, methods=READ)
    return router


class Others(BasePage):
    """Target of the links in test mails, and the style sheet."""

    def test(self, request: Request, token: str) -> Response:
        try:
            self.context.signer.read(Purpose.TEST, token, self.context.now())
        except LinkInvalidError:
            return self.unknown(request)
        return self.page("message", self.language(request), kind="test")

    def stylesheet(self) -> Response:
        caching = {"Cache-Control": "public, max-age=3600"}
        return Response(self.context.stylesheet(), media_type="text/css", headers=caching)
