"""The desk on loopback: opened by an address that works once, which only the terminal shows."""

import hmac
import secrets
from http import HTTPStatus
from threading import Lock

from fastapi import HTTPException
from starlette.responses import RedirectResponse, Response

from digest.web.desk.access import EVERYBODY, ROOT, Access, DeskRoute, Visiting


class OneTimeAddress:
    """A path with a token that opens one session."""

    def __init__(self) -> None:
        self._token: str | None = secrets.token_urlsafe(32)
        self._lock = Lock()

    @property
    def path(self) -> str:
        """The path, for the terminal."""
        return f"{ROOT}/open/{self._token}"

    def use(self, token: str) -> bool:
        """Return whether this is the token, the first time only."""
        with self._lock:
            if self._token is None or not hmac.compare_digest(self._token.encode(), token.encode("utf-8", "replace")):
                return False
            self._token = None
            return True


def routes(access: Access, address: OneTimeAddress) -> list[DeskRoute]:
    """Return the routes that open the desk, and close it in this browser."""

    def open_desk(token: str) -> Response:
        if not address.use(token):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        answer = RedirectResponse(ROOT, HTTPStatus.SEE_OTHER)
        access.begin(answer, None)
        return answer

    def close(visitor: Visiting) -> Response:
        answer = RedirectResponse(ROOT, HTTPStatus.SEE_OTHER)  # which says how to open it again
        access.end(answer, visitor)
        return answer

    return [DeskRoute("GET", "/open/{token}", open_desk, None), DeskRoute("POST", "/close", close, EVERYBODY)]
