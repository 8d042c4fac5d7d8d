"""Images, videos and citation of an article, as dataclasses and as JSON for the database. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

_Stored = Mapping[str, Any]
_OPTIONAL = {"use", "size", "shown", "thumbnail"}  # so that hashes of older articles stay as they were


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A stored picture: SHA-256 of its bytes (hex), jpg | png | gif, size in pixels as shown."""

    hash: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LoadedImage(PictureFile):
    """A picture, or a file to download, with its bytes."""

    content: bytes

    @classmethod
    def of(cls, content: bytes, extension: str, size: tuple[int, int] = (0, 0)) -> "LoadedImage":
        """Return the file under the hash of its bytes; `size` is in pixels."""
        return cls(hashlib.sha256(content).hexdigest(), extension, *size, content)

    @property
    def file(self) -> PictureFile:
        """The picture without its bytes."""
        return PictureFile(self.hash, self.extension, self.width, self.height)


@dataclass(frozen=True, slots=True)
class ArticleImage:
    """An image; `src` is its path as written, `file` is None until it is loaded.

    `shown` and `thumbnail` are what mails show for it, where that is another file. `use` is empty for the front
    matter's, `body` for a picture in the text, `file` for a file to download, of `size` bytes.
    """

    src: str
    alt: str = ""
    caption: str = ""
    credit: str = ""
    use: str = ""
    size: int = 0
    file: PictureFile | None = None
    shown: PictureFile | None = None
    thumbnail: PictureFile | None = None

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
    shown: PictureFile | None = None
    thumbnail: PictureFile | None = None

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
    texts = {key: value for key, value in values.items() if value or key not in _OPTIONAL}
    return texts | (file or dict.fromkeys(field.name for field in fields(PictureFile)))


def image_of(stored: _Stored) -> ArticleImage:
    """Return a stored image."""
    image = ArticleImage(**_texts(stored, ArticleImage), size=int(stored.get("size") or 0))
    return replace(
        image, file=_file_of(stored), shown=_file_of(stored, "shown"), thumbnail=_file_of(stored, "thumbnail")
    )


def video_of(stored: _Stored) -> ArticleVideo:
    """Return a stored video."""
    video = ArticleVideo(**_texts(stored, ArticleVideo))
    return replace(
        video, file=_file_of(stored), shown=_file_of(stored, "shown"), thumbnail=_file_of(stored, "thumbnail")
    )


def citation_of(stored: _Stored) -> Citation:
    """Return a stored citation."""
    texts = _texts(stored, Citation) | {"authors": tuple(stored.get("authors") or ())}
    return Citation(**texts)


def _texts(stored: _Stored, kind: type[ArticleImage | ArticleVideo | Citation]) -> dict[str, Any]:
    return {field.name: str(stored.get(field.name) or "") for field in fields(kind) if field.type in {str, "str"}}


def _file_of(stored: _Stored, key: str = "") -> PictureFile | None:
    place = stored.get(key) or {} if key else stored
    if not place.get("hash"):
        return None
    return PictureFile(place["hash"], place["extension"], place.get("width") or 0, place.get("height") or 0)
