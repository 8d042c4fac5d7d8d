"""The two apps: what readers see, and the editors' desk."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.app import App, open_app
from digest.articles.importing import ArticleImportReport
from digest.publish.publisher import Publisher
from digest.runtime.clock import Clock
from digest.runtime.errors import DigestError
from digest.web.archive import feeds, routes, search
from digest.web.desk import preview
from digest.web.desk.state import Desk
from digest.web.http.headers import Headers, page_headers, preview_headers
from digest.web.http.loopback import LoopbackOnly
from digest.web.http.request_limits import Measure
from digest.web.public import errors, health, media, metrics, start
from digest.web.public.audience import pages_router
from digest.workspace.metrics.page import Metrics
from subscribers.links import LinkSigner


def public_app(
    publisher: Publisher,
    *,
    pages_router: APIRouter,
    signer: LinkSigner,
    clock: Clock,
    metrics_router: APIRouter | None = None,
) -> FastAPI:
    """Return the readers' app: subscriptions (`pages_router`), archive, pictures, health. GET changes nothing."""
    app = _bare_app()
    app.include_router(pages_router)
    if metrics_router is not None:
        app.include_router(metrics_router)
    app.include_router(health.build_router(publisher.engine))
    app.include_router(media.build_router(publisher.engine))
    app.include_router(search.build_router(publisher))
    app.include_router(feeds.build_router(publisher))
    app.include_router(routes.build_router(publisher, signer, clock))
    app.include_router(start.build_router(publisher))
    app.add_middleware(Measure, refuse=partial(errors.explain, publisher))
    app.add_middleware(Headers, headers=page_headers(publisher.settings.publication.base_url))
    errors.install(app, publisher)
    return app


def preview_app(
    publisher: Publisher,
    number: int | None,
    clock: Clock,
    *,
    reimport: Callable[[], ArticleImportReport] | None = None,
    reload: Callable[[], Publisher] | None = None,
) -> FastAPI:
    """Return the editors' desk for issue `number` (None: the unfinished one, else the newest), for loopback only.

    `reimport` imports the workspace's articles and is called for the first page and after each change below articles/;
    `reload` reads the configuration again after a change of digest.toml or templates/. Nothing else is changed.
    """
    app = _bare_app()
    desk = Desk(publisher, number, clock, reimport, reload)
    app.state.closing = threading.Event()  # set by digest.web.http.server; open streams end
    app.include_router(media.build_router(publisher.engine))
    app.include_router(preview.build_router(desk, clock, app.state.closing))
    app.add_middleware(Headers, headers=preview_headers())
    app.add_middleware(LoopbackOnly)
    _explain_on(app, desk)
    return app


def _bare_app() -> FastAPI:
    # Neither app is an interface for programs, so there is nothing to describe to anybody.
    return FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


def _explain_on(app: FastAPI, desk: Desk) -> None:
    """Answer errors with a page of the desk, which renews itself when the file is mended."""

    def explain(request: Request, error: Exception) -> Response:
        return preview.explain(desk, request.url.path, error)

    for kind in (DigestError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, explain)


def app_of(opened: App, *, shared_limits: bool) -> FastAPI:
    """Return the readers' app."""
    pages = pages_router(opened, shared_limits=shared_limits)
    return public_app(
        opened.publisher,
        pages_router=pages,
        signer=opened.signer,
        clock=opened.clock,
        metrics_router=_metrics_router(opened),
    )


def app_in(workspace: Path) -> FastAPI:
    """Return the readers' app for one of several processes, which count together."""
    return app_of(open_app(workspace), shared_limits=True)


def _metrics_router(opened: App) -> APIRouter | None:
    """Return `/metrics` if a token is configured; without one there is no such page."""
    token_file = opened.settings.metrics.token_file
    if token_file is None:
        return None
    return metrics.build_router(Metrics(opened).page, metrics.read_token(opened.settings.workspace / token_file))
