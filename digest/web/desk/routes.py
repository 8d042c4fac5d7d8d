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
from digest.web.desk import local, preview, sign_in
from digest.web.desk.access import ROOT, Access
from digest.web.desk.local import OneTimeAddress
from digest.web.desk.state import Desk


def desk_router(
    access: Access, desk: Desk, closing: threading.Event, address: OneTimeAddress | None = None
) -> APIRouter:
    """Return the desk below /desk: the preview, and sign-in or, on loopback, the one-time `address`.

    `access` guards every route.
    """

    class DeskRoute(APIRoute):
        """A route whose errors are pages of the desk."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def explained(request: Request) -> Response:
                try:
                    return await handle(request)
                except (DigestError, HTTPException, RequestValidationError) as error:
                    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.SEE_OTHER:
                        return Response(status_code=error.status_code, headers=error.headers)
                    return await run_in_threadpool(preview.explain, desk, request.url.path, error)

            return explained

    router = APIRouter(prefix=ROOT, dependencies=[Depends(access.guard)], route_class=DeskRoute)
    parts = [preview.build_router(desk, access.app.clock, closing)]
    parts.append(local.build_router(access, address) if address else sign_in.build_router(access))
    for part in parts:
        for route in part.routes:
            if isinstance(route, APIRoute):  # they have no other
                path, methods = route.path.rstrip("/"), sorted(route.methods or ())
                router.add_api_route(
                    path, route.endpoint, methods=methods, include_in_schema=False, response_model=None
                )
    return router
