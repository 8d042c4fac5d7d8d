"""Start page, robots.txt and the pages' icon."""

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from digest.publish import archive
from digest.publish.publisher import Publisher
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.schedule import runs
from digest.schedule.month import MONTHLY
from digest.web.archive.pages import start_page
from digest.web.http.headers import OPEN
from digest.web.public.languages import choose
from digest.web.public.pages import Page
from digest.web.public.stylesheet import icon
from subscribers.links import LINKED, LinkSigner
from subscribers.pages import csrf

METHODS = ["GET", "HEAD"]
# Advice, not protection, which is by X-Robots-Tag and tokens.
ROBOTS = "\n".join(["User-agent: *", *(f"Disallow: /{path}/" for path in LINKED), "Disallow: /archive/search", ""])


def build_router(publisher: Publisher, signer: LinkSigner, clock: Clock) -> APIRouter:
    """Return the routes `/`, `/robots.txt` and the icon."""
    router = APIRouter()

    @router.api_route("/", methods=METHODS, include_in_schema=False)
    def start(lang: str = "", accept_language: Annotated[str, Header()] = "") -> Response:
        page = Page(publisher, choose(lang, accept_language, publisher.settings.languages), "/")
        with session_scope(publisher.engine, read_only=True) as session:
            latest, now = archive.shown_issues(session)[:1], clock.now()
            next_day = runs.next_day(session, MONTHLY, publisher.settings, now)
            token = csrf.token(signer, csrf.SUBSCRIBE, "", now)
            text = start_page(page, session, latest, next_day=next_day, form_token=token)
        return HTMLResponse(text, headers={**OPEN, "Vary": "Accept-Language"})

    @router.api_route("/robots.txt", methods=METHODS, include_in_schema=False)
    def robots() -> Response:
        return PlainTextResponse(f"{ROBOTS}\nSitemap: {publisher.settings.publication.base_url}/sitemap.xml\n")

    @router.api_route("/static/icon.svg", methods=METHODS, include_in_schema=False)
    def page_icon() -> Response:
        caching = {"Cache-Control": "public, max-age=3600"}
        return Response(icon(publisher), media_type="image/svg+xml", headers=caching)

    @router.api_route("/favicon.ico", methods=METHODS, include_in_schema=False)
    def no_icon() -> Response:
        # Browsers request it beside pictures and feeds; the pages name their own.
        return Response(status_code=204, headers={"Cache-Control": "public, max-age=86400"})

    return router
