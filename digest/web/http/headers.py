"""The headers of every page: nothing stored, nothing leaked, nothing from third parties. No cookie is ever set."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A year; told only over https, where a browser heeds it (RFC 6797 section 7.2).
STRICT_TRANSPORT = "max-age=31536000"

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    # A token in the address must not reach whatever the reader clicks next.
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
OPEN = {
    # Found by search engines, and kept by caches for as long as a withdrawal may take to be seen.
    "X-Robots-Tag": "all",
    "Cache-Control": "public, max-age=300",
}
"""The headers of what a public body wants found: the start page, the archive and its feeds."""
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page_headers(base_url: str) -> dict[str, str]:
    """Return the headers of a public page; a route that needs another value sets its own."""
    headers = {**_COMMON, "Content-Security-Policy": PAGE_POLICY}
    if base_url.startswith("https://"):
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    return headers


def preview_headers() -> dict[str, str]:
    """Return the headers of the editors' desk: its own style, script and frames, nothing from elsewhere."""
    policy = PAGE_POLICY.replace("base-uri", "script-src 'self'; connect-src 'self'; frame-src 'self'; base-uri")
    return {**_COMMON, "Content-Security-Policy": policy.replace("img-src 'self'", "img-src 'self' data:")}


def sink_headers() -> dict[str, str]:
    """Return the headers of the sink's page: its own style and frames, no script at all."""
    policy = PAGE_POLICY.replace("base-uri", "frame-src 'self'; base-uri")
    return {**_COMMON, "Content-Security-Policy": policy.replace("img-src 'self'", "img-src 'self' data:")}


def mail_policy(base_url: str) -> str:
    """Return the content policy of a page that shows a mail: its inline styles, pictures from our own address only."""
    parts = urlsplit(base_url)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' {parts.scheme}://{parts.netloc}; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


class Headers:
    """ASGI middleware that adds headers to each response which does not set them itself."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; complete the head of the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                # On every answer, so without the classes for headers: names are lower-case here already.
                given = message["headers"]
                names = {name for name, _ in given}
                message["headers"] = [*given, *(pair for pair in self._headers if pair[0] not in names)]
            await send(message)

        await self._app(scope, receive, complete)
