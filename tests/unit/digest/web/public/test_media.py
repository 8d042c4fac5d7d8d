"""Pictures and files to download, by the hash of their bytes."""

from datetime import datetime

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.articles.embeds import LoadedImage
from digest.articles.store import keep_media
from digest.runtime.db import session_scope
from digest.web.public.media import build_router


@pytest.mark.parametrize(
    ("extension", "kind", "attached"),
    [
        ("png", "image/png", False),
        ("pdf", "application/pdf", True),
        ("hwpx", None, True),
        ("txt", "text/plain; charset=utf-8", True),
    ],
)
def test_files_are_never_shown_as_pages_of_ours(
    sqlite_engine: Engine, now: datetime, extension: str, kind: str | None, attached: bool
) -> None:
    file = LoadedImage.of(b"<script>", extension)
    with session_scope(sqlite_engine) as session:
        keep_media(session, file, now=now)
    app = FastAPI()
    app.include_router(build_router(sqlite_engine))
    client = TestClient(app)
    answer = client.get(f"/media/{file.hash}.{extension}")
    assert answer.status_code == 200
    assert answer.headers.get("Content-Disposition", "") == ("attachment" if attached else "")
    assert kind is None or answer.headers["Content-Type"] == kind
    assert answer.headers.get("X-Content-Type-Options", "") == ("nosniff" if attached else "")
    assert client.get(f"/media/{file.hash}.html").status_code == 404
