"""Two questions of whoever watches the server: does the process answer, and can it do its work?

Anybody may ask, so the answers say nothing else: why it is not ready stands in the log.
"""

import logging

from fastapi import APIRouter
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from digest.runtime.db import check_revision
from digest.runtime.errors import DigestError

METHODS = ["GET", "HEAD"]
log = logging.getLogger(__name__)


def build_router(engine: Engine) -> APIRouter:
    """Return `/health` (200 while the process answers) and `/ready` (503 unless the database is there and fits).

    `/healthz` and `/readyz` are the same, under the names that Kubernetes made usual.
    """
    router = APIRouter()

    @router.api_route("/health", methods=METHODS, include_in_schema=False)
    @router.api_route("/healthz", methods=METHODS, include_in_schema=False)
    def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @router.api_route("/ready", methods=METHODS, include_in_schema=False)
    @router.api_route("/readyz", methods=METHODS, include_in_schema=False)
    def ready() -> JSONResponse:
        try:
            check_revision(engine)
        except (DigestError, SQLAlchemyError) as error:
            # The class speaks, not the driver: its text names hosts and users.
            log.warning("not ready: %s", (type(error).__doc__ or "").strip().partition("\n")[0])
            return JSONResponse({"status": "unavailable"}, status_code=503)
        return JSONResponse({"status": "ok"})

    return router
