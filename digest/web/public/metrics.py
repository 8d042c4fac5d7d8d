"""`/metrics`, protected by a token: behind a proxy on the same machine every client seems local."""

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import PlainTextResponse, Response

from digest.runtime.errors import ConfigError
from digest.workspace.metrics.page import CONTENT_TYPE

MIN_TOKEN = 16


def read_token(path: Path) -> str:
    """Return the token in a file. Raises ConfigError if it is unreadable or has fewer than 16 characters."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[metrics] token_file cannot be read: {path.name}") from error
    if len(token) < MIN_TOKEN or not token.isascii():
        hint = f"Make one: openssl rand -hex 32 > {path.name}; chmod 600 {path.name}"
        raise ConfigError(f"[metrics] token_file holds fewer than {MIN_TOKEN} plain characters", hint=hint)
    return token


def build_router(page: Callable[[], bytes], token: str) -> APIRouter:
    """Return the route `/metrics`: the page for `Authorization: Bearer TOKEN`, else 401."""
    router = APIRouter()
    expected = f"Bearer {token}".encode()

    @router.api_route("/metrics", methods=["GET", "HEAD"], include_in_schema=False)
    def metrics(authorization: Annotated[str, Header()] = "") -> Response:
        if not hmac.compare_digest(authorization.encode("utf-8", "surrogateescape"), expected):
            return PlainTextResponse("A token is needed.\n", 401, {"www-authenticate": "Bearer"})
        return Response(page(), media_type=CONTENT_TYPE)

    return router
