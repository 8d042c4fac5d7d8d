"""Error pages in the visitor's language."""

from dataclasses import replace
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.runtime.errors import ContentError, EnvironmentFailedError
from digest.web.http.headers import page_headers
from digest.web.public.languages import choose
from digest.web.public.pages import Page

RETRY_SECONDS = "60"


def explain(publisher: Publisher, request: Request, status: int) -> Response:
    """Return the page for an HTTP status."""
    asked, accept = request.query_params.get("lang", ""), request.headers.get("accept-language", "")
    language = choose(asked, accept, publisher.settings.languages)
    # Not the request's path: it may hold a token, and the page would link to it.
    page = Page(publisher, language, "/archive")
    try:
        text = page.render("problem", status=status)
    except ContentError:  # the workspace's own template, which may be the reason why we are here
        text = replace(page, publisher=replace(publisher, templates=Templates())).render("problem", status=status)
    return HTMLResponse(text, status_code=status)


def install(app: FastAPI, publisher: Publisher) -> None:
    """Answer every error of `app` with a page; details of internal errors stay in the log."""
    page = partial(explain, publisher)

    def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
        response = page(request, status)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    def unavailable(request: Request, _error: Exception) -> Response:
        response = page(request, HTTPStatus.SERVICE_UNAVAILABLE)
        response.headers["Retry-After"] = RETRY_SECONDS
        return response

    def broken(request: Request, _error: Exception) -> Response:
        response = page(request, HTTPStatus.INTERNAL_SERVER_ERROR)
        # This handler runs outside of the middleware that adds headers.
        response.headers.update(page_headers(publisher.settings.publication.base_url))
        return response

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(DBAPIError, unavailable)
    app.add_exception_handler(EnvironmentFailedError, unavailable)
    app.add_exception_handler(Exception, broken)
