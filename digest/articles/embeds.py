"""Images, videos and citation of an article, as dataclasses and as JSON for the database. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

_Stored = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A stored picture: SHA-256 of its bytes (hex), jpg | png | gif, size in pixels as shown."""

    hash: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ArticleImage:
    """An image; `src` is its path as written, `file` is None until it is loaded."""

    src: str
    alt: str = ""
    caption: str = ""
    credit: str = ""
    file: PictureFile | None = None

    @property
    def path(self) -> str:
        """Path of the picture as written."""
        return self.src


@dataclass(frozen=True, slots=True)
class ArticleVideo:
    """A link to a video; `poster` is a path as written or empty, `file` is the poster's once it is loaded."""

    title: str = ""
    summary: str = ""
    url: str = ""
    poster: str = ""
    alt: str = ""
    file: PictureFile | None = None

    @property
    def path(self) -> str:
        """Path of the poster as written."""
        return self.poster


@dataclass(frozen=True, slots=True)
class Citation:
    """A reference to literature."""

    authors: tuple[str, ...] = ()
    journal: str = ""
    volume: str = ""
    number: str = ""
    date: str = ""
    pages: str = ""
    contact: str = ""


def as_json(one: ArticleImage | ArticleVideo | Citation) -> dict[str, Any]:
    """Return the form that is stored and hashed: one flat object, with the file's keys."""
    values = asdict(one)
    if isinstance(one, Citation):
        return values | {"authors": list(one.authors)}
    file = values.pop("file")
    return values | (file or dict.fromkeys(field.name for field in fields(PictureFile)))


def image_of(stored: _Stored) -> ArticleImage:
    """Return a stored image."""
    return ArticleImage(**_texts(stored, ArticleImage), file=_file_of(stored))


def video_of(stored: _Stored) -> ArticleVideo:
    """Return a stored video."""
    return ArticleVideo(**_texts(stored, ArticleVideo), file=_file_of(stored))


def citation_of(stored: _Stored) -> Citation:
    """Return a stored citation."""
    texts = _texts(stored, Citation) | {"authors": tuple(stored.get("authors") or ())}
    return Citation(**texts)


def _texts(stored: _Stored, kind: type[ArticleImage | ArticleVideo | Citation]) -> dict[str, Any]:
    return {field.name: str(stored.get(field.name) or "") for field in fields(kind) if field.name != "file"}


def _file_of(stored: _Stored) -> PictureFile | None:
    if not stored.get("hash"):
        return None
    return PictureFile(stored["hash"], stored["extension"], stored.get("width") or 0, stored.get("height") or 0)
