"""Pictures and files to download, by the hash of their bytes."""

from datetime import datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.articles.embeds import LoadedImage
from digest.articles.store import keep_media
from digest.render.logo import logo_pictures
from digest.runtime.db import session_scope
from digest.settings.publication import Logo
from digest.web.public.media import build_router
from tests.support.article_case import settings


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
    app.include_router(build_router(sqlite_engine, settings()))
    client = TestClient(app)
    answer = client.get(f"/media/{file.hash}.{extension}")
    assert answer.status_code == 200
    assert answer.headers.get("Content-Disposition", "") == ("attachment" if attached else "")
    assert kind is None or answer.headers["Content-Type"] == kind
    assert answer.headers.get("X-Content-Type-Options", "") == ("nosniff" if attached else "")
    assert client.get(f"/media/{file.hash}.html").status_code == 404


def test_the_logo_is_there_before_an_issue_is_frozen(sqlite_engine: Engine, tmp_path: Path) -> None:
    Image.new("RGB", (24, 24)).save(tmp_path / "logo.png")
    base = settings()
    publication = base.publication.model_copy(update={"logo": Logo(src="logo.png")})
    made = base.model_copy(update={"publication": publication, "workspace": tmp_path})
    app = FastAPI()
    app.include_router(build_router(sqlite_engine, made))
    (picture,) = logo_pictures(made)
    assert TestClient(app).get(f"/media/{picture.hash}.png").content == picture.content
    (tmp_path / "logo.png").unlink()
    assert TestClient(app).get(f"/media/{picture.hash}.png").status_code == 404
