"""Routes of the desk with sign-in, or of the machine's user on loopback, all of them guarded."""

import threading
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.runtime.errors import DigestError
from digest.web.desk import (
    approval,
    article_tools,
    articles,
    assets,
    check,
    corrections,
    issue_board,
    issue_texts,
    local,
    log,
    look,
    month,
    preview,
    report,
    review_copy,
    review_links,
    sending,
    sign_in,
    test_mail,
)
from digest.web.desk.access import MAKERS, ROOT, Access, DeskRoute, watching
from digest.web.desk.local import OneTimeAddress
from digest.web.desk.pages import DeskPages
from digest.web.desk.state import Desk

PREVIEW = "/preview"


def desk_router(
    access: Access, desk: Desk, closing: threading.Event, address: OneTimeAddress | None = None
) -> APIRouter:
    """Return the desk below /desk, with sign-in or, on loopback, the one-time `address`."""
    pages = DeskPages(desk, access)

    class ExplainedRoute(APIRoute):
        """A route whose errors are pages of the desk."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def explained(request: Request) -> Response:
                try:
                    return await handle(request)
                except (DigestError, HTTPException, RequestValidationError) as error:
                    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.SEE_OTHER:
                        return Response(status_code=error.status_code, headers=error.headers)
                    return await run_in_threadpool(pages.explain, watching(request), error, request.url.path)

            return explained

    router = APIRouter(prefix=ROOT, route_class=ExplainedRoute)
    for route in desk_routes(pages, access, closing, address):
        if route.method == "GET" and route.roles is not None:
            pages.open_to[route.path] = route.roles
        router.add_api_route(
            route.path,
            route.page,
            methods=["GET", "HEAD"] if route.method == "GET" else ["POST"],
            dependencies=[Depends(access.guard(route))],
            include_in_schema=False,
            response_model=None,
        )
    return router


def desk_routes(
    pages: DeskPages, access: Access, closing: threading.Event, address: OneTimeAddress | None = None
) -> list[DeskRoute]:
    """Return every page and act of the desk."""
    shown = preview.routes(pages, access.app.clock, closing)
    return [
        *(DeskRoute("GET", f"{PREVIEW}{path}".rstrip("/"), page, MAKERS) for path, page in shown.items()),
        DeskRoute("GET", "/assets/{name}", assets.asset_page(pages.desk), None),
        *month.routes(pages),
        *article_tools.routes(pages),
        *articles.routes(pages),
        *check.routes(pages),
        *test_mail.routes(pages),
        *approval.routes(pages),
        *sending.routes(pages),
        *report.routes(pages),
        *log.routes(pages),
        *corrections.routes(pages, access.app),
        *review_links.routes(pages, access),
        *review_copy.routes(pages, access),
        *issue_board.routes(pages, access.app.clock),
        *issue_texts.routes(pages, access.app.clock),
        *look.routes(pages, access),
        *sign_in.routes(pages, access),
        *(local.routes(access, address) if address else []),
    ]
