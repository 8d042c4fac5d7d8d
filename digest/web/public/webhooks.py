"""`/webhooks/NAME`: what providers report about bounces and complaints. Answers say nothing but the status."""

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from digest.feedback.webhooks.provider import MAX_BYTES, CallRefusedError, FeedbackProvider
from subscribers.pages.forms import read_body

log = logging.getLogger(__name__)
Receive = Callable[[FeedbackProvider, Mapping[str, str], bytes], object]


def build_router(providers: Iterable[FeedbackProvider], receive: Receive) -> APIRouter:
    """Return a route for each provider; `receive` authenticates a call and takes it in."""
    router = APIRouter(prefix="/webhooks")
    for provider in providers:
        router.add_api_route(
            f"/{provider.name}", _endpoint(provider, receive), methods=["POST"], include_in_schema=False
        )
    return router


def _endpoint(provider: FeedbackProvider, receive: Receive) -> Callable[[Request], object]:
    async def called(request: Request) -> Response:
        body = await read_body(request, MAX_BYTES)
        try:
            await run_in_threadpool(receive, provider, dict(request.headers), body)
        except CallRefusedError as error:
            log.warning("A call of the webhook %s was refused: %s", provider.name, error.message)
            asks = {"www-authenticate": "Basic"} if error.status == HTTPStatus.UNAUTHORIZED else None
            return Response(status_code=error.status, headers=asks)
        return Response(status_code=HTTPStatus.OK)

    return called
