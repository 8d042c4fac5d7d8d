"""Builders for the tests of articles: a folder to write into, a session, pictures."""

from collections.abc import Callable, Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine
from sqlmodel import Session

from digest.articles.importing import ImportReport, import_paths
from digest.articles.intake import Known

KNOWN = Known(sections=("special",), topics=("mobility", "safety"), language="en")


def picture(colour: str = "red", size: tuple[int, int] = (4, 3), kind: str = "PNG") -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


class Desk:
    """An editor's folder of files and the database beside it."""

    def __init__(self, session: Session, folder: Path, now: datetime) -> None:
        self.session = session
        self.folder = folder
        self.now = now

    def write(self, name: str, front: str, body: str = "Text.") -> Path:
        return self.put(name, f"---\n{front}\n---\n\n{body}\n".encode())

    def put(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def load(self, *paths: Path, dry_run: bool = False, overwrite: bool = False) -> ImportReport:
        report = import_paths(
            self.session, paths or (self.folder,), known=KNOWN, now=self.now, dry_run=dry_run, overwrite=overwrite
        )
        self.session.commit()
        return report


@pytest.fixture
def session(sqlite_engine: Engine) -> Iterator[Session]:
    with Session(sqlite_engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def desk(session: Session, tmp_path: Path, now: datetime) -> Desk:
    folder = tmp_path / "articles"
    folder.mkdir()
    return Desk(session, folder, now)


@pytest.fixture
def image() -> Callable[..., bytes]:
    return picture
