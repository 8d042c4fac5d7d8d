"""Two questions of whoever watches the server: does the process answer, and can it do its work?"""

from fastapi import APIRouter
from sqlalchemy import Engine
from starlette.responses import JSONResponse

from digest.runtime.db import check_revision
from digest.runtime.errors import DigestError

METHODS = ["GET", "HEAD"]


def build_router(engine: Engine) -> APIRouter:
    """Return the routes `/healthz` (200 while the process answers) and `/readyz` (200 or 503, with a reason)."""
    router = APIRouter()

    @router.api_route("/healthz", methods=METHODS, include_in_schema=False)
    def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @router.api_route("/readyz", methods=METHODS, include_in_schema=False)
    def readyz() -> JSONResponse:
        try:
            check_revision(engine)
        except DigestError as error:
            # The class speaks, not the driver: its text names hosts and users, and anybody may ask here.
            reason = (type(error).__doc__ or "").strip()
            return JSONResponse({"status": "unavailable", "reason": reason}, status_code=503)
        return JSONResponse({"status": "ok"})

    return router
