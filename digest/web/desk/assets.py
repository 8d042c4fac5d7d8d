"""Style sheet and scripts of the desk and the preview."""

from collections.abc import Callable

from fastapi import HTTPException
from starlette.responses import Response

from digest.web.desk.state import Desk

ASSETS = {
    "desk.css": "text/css",
    "report.css": "text/css",
    "desk_copy.js": "text/javascript",
    "desk_article.js": "text/javascript",
    "desk_send.js": "text/javascript",
    "preview.js": "text/javascript",
}
"""Files below templates/web, with their types."""


def asset_page(desk: Desk) -> Callable[[str], Response]:
    """Return the page of a file."""

    def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404)
        return Response(desk.publisher.templates.file(f"web/{name}").read_text("utf-8"), media_type=ASSETS[name])

    return asset
