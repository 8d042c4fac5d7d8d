"""Security headers of all pages: no caching, no referrer, no third parties. Only the desk sets a cookie."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A year; sent only over https, where browsers accept it (RFC 6797 section 7.2).
STRICT_TRANSPORT = "max-age=31536000"

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    # Addresses hold tokens.
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
OPEN = {"X-Robots-Tag": "all", "Cache-Control": "public, max-age=300"}
"""Headers of pages for search engines and caches: start page, archive, feeds. A withdrawal shows after 300 seconds."""
# No script may run; `connect-src` lets tools that look at a page, such as Lighthouse, read robots.txt from it.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def page_headers(base_url: str) -> dict[str, str]:
    """Return the headers of a public page; routes may set other values."""
    headers = {**_COMMON, "Content-Security-Policy": PAGE_POLICY}
    if base_url.startswith("https://"):
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    return headers


def preview_headers() -> dict[str, str]:
    """Return the headers of the preview, which allow its own styles, scripts and frames."""
    policy = PAGE_POLICY.replace("base-uri", "script-src 'self'; frame-src 'self'; base-uri")
    return {**_COMMON, "Content-Security-Policy": policy.replace("img-src 'self'", "img-src 'self' data:")}


def sink_headers() -> dict[str, str]:
    """Return the headers of the sink's pages, which allow their own styles and frames, but no scripts."""
    policy = PAGE_POLICY.replace("base-uri", "frame-src 'self'; base-uri")
    return {**_COMMON, "Content-Security-Policy": policy.replace("img-src 'self'", "img-src 'self' data:")}


def mail_policy(base_url: str) -> str:
    """Return the content policy of a page with a mail: inline styles, and pictures of the publication only."""
    parts = urlsplit(base_url)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' {parts.scheme}://{parts.netloc}; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


class Headers:
    """ASGI middleware that adds headers to responses that do not set them; with `below`, under this path only."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str], below: str = "") -> None:
        self._app, self._below = app, below
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the headers of the response."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{self._below}/"):
            await self._app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                # For speed without Starlette's classes: names are lower-case already.
                given = message["headers"]
                names = {name for name, _ in given}
                message["headers"] = [*given, *(pair for pair in self._headers if pair[0] not in names)]
            await send(message)

        await self._app(scope, receive, complete)
