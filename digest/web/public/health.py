"""Liveness and readiness probes. They are public, so the reason for not being ready is only in the log."""

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
    """Return `/health` (200), `/ready` (503 unless the database is reachable and up to date), `/healthz`, `/readyz`."""
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
            # Not the driver's message, which has hosts and users.
            log.warning("not ready: %s", (type(error).__doc__ or "").strip().partition("\n")[0])
            return JSONResponse({"status": "unavailable"}, status_code=503)
        return JSONResponse({"status": "ok"})

    return router
