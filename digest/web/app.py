"""FastAPI applications: the public pages and the editors' preview."""

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.app import App, open_app
from digest.articles.importing import ArticleImportReport
from digest.publish.publisher import Publisher
from digest.runtime.clock import Clock
from digest.runtime.errors import DigestError
from digest.runtime.secret_file import read_token_file
from digest.send import feedback
from digest.settings.part import LOOPBACK_HOSTS
from digest.settings.root import load_settings
from digest.web.archive import feeds, routes, search
from digest.web.desk import preview
from digest.web.desk.access import ROOT, Access
from digest.web.desk.local import OneTimeAddress
from digest.web.desk.pages import DeskPages
from digest.web.desk.routes import PREVIEW, desk_router
from digest.web.desk.state import Desk
from digest.web.http.headers import Headers, page_headers, preview_headers
from digest.web.http.hosts import KnownHosts, LoopbackOnly, name_of
from digest.web.http.request_limits import Measure
from digest.web.http.trailing_slash import bare_app
from digest.web.public import errors, health, media, metrics, start, webhooks
from digest.web.public.audience import pages_router
from digest.workspace.metrics.page import Metrics
from subscribers.links import LINKED, LinkSigner


def public_app(
    publisher: Publisher,
    *,
    pages_router: APIRouter,
    signer: LinkSigner,
    clock: Clock,
    further: Iterable[APIRouter] = (),
) -> FastAPI:
    """Return the public app: subscriptions (`pages_router`), archive, pictures, health, and `further` routes.

    GET changes nothing.
    """
    app = bare_app()
    app.include_router(pages_router)
    for router in further:
        app.include_router(router)
    app.include_router(health.build_router(publisher.engine))
    app.include_router(media.build_router(publisher.engine, publisher.settings))
    app.include_router(search.build_router(publisher))
    app.include_router(feeds.build_router(publisher))
    app.include_router(routes.build_router(publisher, signer, clock))
    app.include_router(start.build_router(publisher, signer, clock))
    app.add_middleware(Measure, refuse=partial(errors.explain, publisher))
    names, refuse = _host_names(publisher), partial(errors.explain, publisher, status=HTTPStatus.MISDIRECTED_REQUEST)
    app.add_middleware(KnownHosts, names=names, refuse=refuse, guarded=(*LINKED, ROOT.strip("/")))
    app.add_middleware(Headers, headers=preview_headers(), below=ROOT)
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
    """Return the preview of issue `number` (None: the unfinished one, else the newest), for loopback only.

    `reimport` imports the articles, for the first page and after changes below articles/; `reload` reads the
    configuration after changes of digest.toml or templates/. Nothing else is changed.
    """
    app = bare_app()
    desk = Desk(publisher, number, clock, reimport, reload)
    app.state.closing = threading.Event()  # set by digest.web.http.server; open streams end
    app.include_router(media.build_router(publisher.engine, publisher.settings))
    app.include_router(preview.build_router(desk, clock, app.state.closing))
    app.add_middleware(Headers, headers=preview_headers())
    app.add_middleware(LoopbackOnly)
    _explain_on(app, DeskPages(desk))
    return app


def desk_app(
    opened: App,
    number: int | None,
    address: OneTimeAddress,
    *,
    reimport: Callable[[], ArticleImportReport] | None = None,
    reload: Callable[[], Publisher] | None = None,
) -> FastAPI:
    """Return the desk of the machine's user, for loopback, opened by `address`; otherwise as `preview_app`."""
    app, access = bare_app(), Access(opened, on_loopback=True)
    app.state.closing = threading.Event()
    desk = Desk(opened.publisher, number, opened.clock, reimport, reload, root=f"{ROOT}{PREVIEW}")
    app.include_router(media.build_router(opened.engine, opened.settings))
    app.include_router(desk_router(access, desk, app.state.closing, address))
    app.add_middleware(Headers, headers=preview_headers())
    app.add_middleware(LoopbackOnly)
    _explain_on(app, DeskPages(desk, access))
    return app


def _host_names(publisher: Publisher) -> set[str]:
    """Return the names under which readers' links open."""
    base_url, others = publisher.settings.publication.base_url, publisher.settings.web.hosts
    return {*LOOPBACK_HOSTS, urlsplit(base_url).hostname or "", *map(name_of, others)}


def _explain_on(app: FastAPI, pages: DeskPages) -> None:
    """Answer errors with a page of the preview, which reloads when the file is corrected."""

    def explain(request: Request, error: Exception) -> Response:
        return pages.explain(None, error, request.url.path)

    for kind in (DigestError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, explain)


def app_of(opened: App, *, shared_limits: bool) -> FastAPI:
    """Return the public app of a workspace, with what is configured of the desk, `/metrics` and providers' webhooks."""
    pages, further = pages_router(opened, shared_limits=shared_limits), list(_further(opened))
    return public_app(opened.publisher, pages_router=pages, signer=opened.signer, clock=opened.clock, further=further)


def _further(opened: App) -> Iterator[APIRouter]:
    if opened.settings.desk.enabled:
        access = Access(opened)
        root, pictures = f"{access.prefix}{ROOT}{PREVIEW}", f"{access.prefix}/media/"
        reload = partial(_reloaded, opened)
        desk = Desk(opened.publisher, None, opened.clock, reload=reload, root=root, media=pictures, follows=False)
        yield desk_router(access, desk, threading.Event())
    if token_file := opened.settings.metrics.token_file:
        token = read_token_file(opened.settings.workspace / token_file, "[metrics] token_file")
        yield metrics.build_router(Metrics(opened).page, token)
    if providers := feedback.providers(opened.settings):
        yield webhooks.build_router(providers, partial(feedback.receive, opened))


def _reloaded(opened: App) -> Publisher:
    """Return the publisher with digest.toml as it is now; the database stays the one that was opened."""
    return Publisher(load_settings(opened.settings.workspace), opened.engine, opened.templates)


def app_in(workspace: Path) -> FastAPI:
    """Return the public app for one of several processes, which share rate limits."""
    return app_of(open_app(workspace), shared_limits=True)
