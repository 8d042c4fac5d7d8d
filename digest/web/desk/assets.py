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
    "desk_issue.js": "text/javascript",
    "desk_look.js": "text/javascript",
    "desk_send.js": "text/javascript",
    "preview.js": "text/javascript",
    "sortable-1.15.7.min.js": "text/javascript",
}
"""Files below templates/web, with their types; what others wrote is in its folder vendor."""
_VENDOR = ".min.js"


def asset_page(desk: Desk) -> Callable[[str], Response]:
    """Return the page of a file."""

    def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404)
        path = f"web/vendor/{name}" if name.endswith(_VENDOR) else f"web/{name}"
        return Response(desk.publisher.templates.file(path).read_text("utf-8"), media_type=ASSETS[name])

    return asset
