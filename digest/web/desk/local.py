"""The desk on loopback: opened by an address that works once, which only the terminal shows."""

import hmac
import secrets
from http import HTTPStatus
from threading import Lock

from fastapi import HTTPException
from starlette.responses import RedirectResponse, Response

from digest.web.desk.access import ROOT, Access, DeskRoute


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


def route(access: Access, address: OneTimeAddress) -> DeskRoute:
    """Return the route of the one-time address."""

    def open_desk(token: str) -> Response:
        if not address.use(token):
            raise HTTPException(HTTPStatus.FORBIDDEN)
        answer = RedirectResponse(ROOT, HTTPStatus.SEE_OTHER)
        access.begin(answer, None)
        return answer

    return DeskRoute("GET", "/open/{token}", open_desk, None)
