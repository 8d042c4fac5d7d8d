"""`/metrics`, protected by a token: behind a proxy on the same machine every client seems local."""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import PlainTextResponse, Response

from digest.workspace.metrics.page import CONTENT_TYPE


def build_router(page: Callable[[], bytes], token: bytes) -> APIRouter:
    """Return the route `/metrics`: the page for `Authorization: Bearer TOKEN`, else 401."""
    router = APIRouter()
    expected = b"Bearer " + token

    @router.api_route("/metrics", methods=["GET", "HEAD"], include_in_schema=False)
    def metrics(authorization: Annotated[str, Header()] = "") -> Response:
        if not hmac.compare_digest(authorization.encode("utf-8", "surrogateescape"), expected):
            return PlainTextResponse("A token is needed.\n", 401, {"www-authenticate": "Bearer"})
        return Response(page(), media_type=CONTENT_TYPE)

    return router
