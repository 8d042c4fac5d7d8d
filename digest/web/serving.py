"""The public app of a workspace, as `digest serve` runs it: by one process, or by each of several."""

from pathlib import Path

from fastapi import APIRouter, FastAPI

from digest.app import Works, build
from digest.web.app import public_app
from digest.web.public import metrics
from digest.web.public.audience import pages_router
from digest.workspace.metrics.page import Metrics


def app_of(works: Works, *, shared_limits: bool) -> FastAPI:
    """Return the readers' app."""
    pages = pages_router(works, shared_limits=shared_limits)
    return public_app(
        works.press, pages_router=pages, signer=works.signer, clock=works.clock, metrics_router=_metrics_router(works)
    )


def app_in(workspace: Path) -> FastAPI:
    """Return the readers' app for one of several processes, which count together."""
    return app_of(build(workspace), shared_limits=True)


def _metrics_router(works: Works) -> APIRouter | None:
    """Return `/metrics` if a token is configured; without one there is no such page."""
    token_file = works.settings.metrics.token_file
    if token_file is None:
        return None
    return metrics.build_router(Metrics(works).page, metrics.read_token(works.settings.workspace / token_file))
