"""Builders for the tests of articles: a folder to write into and import from, pictures."""

from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image
from sqlmodel import Session

from digest.articles.importing import ArticleImportReport, import_paths
from digest.articles.intake import KnownSlugs

KNOWN = KnownSlugs(("issue", "project", "special", "trend"), ("mobility", "safety", "regulation", "x"), "en")


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

    def load(self, *paths: Path, dry_run: bool = False, overwrite: bool = False) -> ArticleImportReport:
        report = import_paths(
            self.session, paths or (self.folder,), known=KNOWN, now=self.now, dry_run=dry_run, overwrite=overwrite
        )
        self.session.commit()
        return report
