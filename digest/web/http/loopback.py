"""Protection of local pages against DNS rebinding."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from digest.settings.part import LOOPBACK_HOSTS


class LoopbackOnly:
    """ASGI middleware that answers 421 unless the Host header is a loopback name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests with a loopback name as Host."""
        if scope["type"] == "http" and _name(Headers(scope=scope).get("host", "")) not in LOOPBACK_HOSTS:
            refusal = PlainTextResponse("This page answers only at http://127.0.0.1 or http://localhost.\n", 421)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
