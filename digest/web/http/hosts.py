"""Names under which pages answer, by the Host header: against DNS rebinding, and for links only where mails lead."""

from collections.abc import Callable, Collection

from fastapi import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from digest.settings.part import LOOPBACK_HOSTS


class KnownHosts:
    """ASGI middleware that refuses requests whose Host is none of `names`; with `guarded`, only below these paths.

    A request without Host, which no browser sends, is refused only where everything is guarded.
    """

    def __init__(
        self,
        app: ASGIApp,
        names: Collection[str],
        refuse: Callable[[Request], Response],
        guarded: Collection[str] | None = None,
    ) -> None:
        self._app, self._names, self._refuse, self._guarded = app, names, refuse, guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "http" and self._guards(scope["path"]):
            request = Request(scope)
            host = request.headers.get("host", "")
            if name_of(host) not in self._names and (host or self._guarded is None):
                await self._refuse(request)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _guards(self, path: str) -> bool:
        return self._guarded is None or path.lstrip("/").partition("/")[0] in self._guarded


class LoopbackOnly(KnownHosts):
    """Refuses every name but those of loopback, for pages that show addresses and have no login."""

    def __init__(self, app: ASGIApp) -> None:
        refusal = PlainTextResponse("This page answers only at http://127.0.0.1 or http://localhost.\n", 421)
        super().__init__(app, LOOPBACK_HOSTS, lambda _request: refusal)


def name_of(host: str) -> str:
    """Return the name in a Host header, in lower case, without the port and the root's dot."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower().removesuffix(".")
