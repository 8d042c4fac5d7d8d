"""Limits of a request's head; h11 limits only heads that arrive in pieces, and not the number of fields."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

HEAD_OCTETS = 16 * 1024
HEAD_FIELDS = 100
# Our longest query is a search.
QUERY_OCTETS = 4 * 1024


class Measure:
    """ASGI middleware that refuses requests with too large a head."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, int], Response]) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        status = _too_much(scope) if scope["type"] == "http" else 0
        if status:
            await self._refuse(Request(scope), status)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _too_much(scope: Scope) -> int:
    if len(scope["query_string"]) > QUERY_OCTETS:
        # The error page must not parse it again.
        scope["query_string"] = b""
        return HTTPStatus.REQUEST_URI_TOO_LONG
    headers, path = scope["headers"], scope.get("raw_path") or b""
    octets = len(path) + sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEAD_FIELDS or octets > HEAD_OCTETS:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return 0
