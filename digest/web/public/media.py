"""Route of pictures, and of files to download, by the hash of their bytes, cached for ever."""

import re
from mimetypes import guess_type
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException
from sqlalchemy import Engine
from starlette.responses import Response

from digest.articles.embeds import LoadedImage
from digest.articles.markdown.figures import FILE_TYPES
from digest.articles.models import Media
from digest.render.logo import logo_pictures
from digest.runtime.db import session_scope
from digest.runtime.errors import ContentError
from digest.settings.root import Settings

METHODS = ["GET", "HEAD"]
HASH = re.compile(r"[0-9a-f]{64}")
TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif"}
# Browsers must not show them: a page of ours would run what a stranger wrote into a file.
_ATTACHED = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
# The bytes behind a hash cannot change (RFC 8246). Web mail shows them inside pages of other origins.
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def build_router(engine: Engine, settings: Settings) -> APIRouter:
    """Return the route `/media/HASH.ext`; the extension must match, else 404. The logo need not be stored yet."""
    router = APIRouter()

    @router.api_route("/media/{name}", methods=METHODS, include_in_schema=False)
    def media(name: str, if_none_match: Annotated[str, Header()] = "") -> Response:
        digest, _, extension = name.partition(".")
        if not HASH.fullmatch(digest) or extension not in {*TYPES, *FILE_TYPES}:
            raise HTTPException(404)
        with session_scope(engine, read_only=True) as session:
            found: Media | LoadedImage | None = session.get(Media, digest)
        found = found or next((one for one in stored_logo(settings) if one.hash == digest), None)
        if found is None or found.extension != extension:
            raise HTTPException(404)
        headers = {**_HEADERS, "ETag": f'"{digest}"'}
        if digest in if_none_match:
            return Response(status_code=304, headers=headers)
        if extension in TYPES:
            return Response(found.content, media_type=TYPES[extension], headers=headers)
        kind = guess_type(f"x.{extension}")[0] or "application/octet-stream"
        return Response(found.content, media_type=kind, headers={**headers, **_ATTACHED})

    return router


def stored_logo(settings: Settings) -> tuple[LoadedImage, ...]:
    """Return the pictures of the logo; none if a file is none."""
    try:
        return logo_pictures(settings)
    except ContentError:  # said where the mail is made
        return ()
