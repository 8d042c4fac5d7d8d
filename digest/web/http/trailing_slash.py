"""Trailing slashes: `/x/` is served like `/x`, without a redirect, whose address would come from the Host header."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


def bare_app() -> FastAPI:
    """Return an app without routes, which serves `/x/` like `/x`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_middleware(TrailingSlash)
    return app


class TrailingSlash:
    """ASGI middleware that drops slashes at the end of a path; one-click requests (RFC 8058) follow no redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its plain path."""
        if scope["type"] == "http" and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)
