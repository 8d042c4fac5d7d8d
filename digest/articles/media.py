"""Loading of pictures from files: checks, metadata removal, hash. Nothing is fetched from the network."""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from PIL import Image, UnidentifiedImageError

from digest.articles.draft import Draft, RawEntry
from digest.articles.embeds import ArticleImage, ArticleVideo, LoadedImage
from digest.articles.metadata import without_metadata
from digest.articles.models import Kind
from digest.articles.problems import Note, Problem
from digest.articles.shown_pictures import is_cut, prepared_images, prepared_videos
from digest.runtime.containment import is_within
from digest.runtime.errors import ContentError

MAX_BYTES = 5_000_000
"""Bytes of one picture."""
MAX_FILE_BYTES = 10_000_000
"""Bytes of one file to download."""
MAX_PIXELS = 40_000_000
"""Width times height; a decoded pixel takes up to four bytes of memory."""

# MPO: a JPEG with a second picture behind it, as many phones write.
_EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "GIF": "gif"}
_ORIENTATION = 0x0112  # Exif tag; values from 5 on turn the picture by a quarter
_SMALLER = "Make it smaller: a width of 1,200 pixels is enough for any mail."
_CUT = "The picture {} is cropped: pictures in a pair have the same shape, and none is taller than 4:5."
_CUT_HINT = "A link below it leads to the full picture. To show all of it, split it into several pictures."
_FORMATS_HINT = "Save it as JPEG, PNG or GIF; many mail programs do not show WebP, SVG or AVIF."


_Embed = TypeVar("_Embed", ArticleImage, ArticleVideo)


def load_image(root: Path, folder: Path, src: str) -> LoadedImage:
    """Load the picture at `src`, relative to `folder`; it must lie below `root`. Raises ContentError."""
    return read_image(_content(_place(root, folder, src), f"The picture {src}", MAX_BYTES, _SMALLER), src)


def load_file(root: Path, folder: Path, src: str) -> LoadedImage:
    """Load the file to download at `src`, as `load_image` does a picture. Raises ContentError."""
    hint = "Publish it on a web page and link to it."
    content = _content(_place(root, folder, unquote(src)), f"The file {src}", MAX_FILE_BYTES, hint)
    return LoadedImage.of(content, src.rpartition(".")[2].lower())


def _content(path: Path, name: str, limit: int, hint: str) -> bytes:
    try:
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise ContentError(f"{name} {what}.", hint="The path is relative to the article's file.")
        size = path.stat().st_size
        if size > limit:
            raise ContentError(f"{name} has {size:,} bytes; the limit is {limit:,}.", hint=hint)
        return path.read_bytes()
    except OSError as error:
        raise ContentError(f"{name} cannot be read: {error.strerror}.") from error


def read_image(content: bytes, name: str) -> LoadedImage:
    """Return the picture without metadata, after a complete decoding as a check. Raises ContentError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "GIF"]) as image:
                extension = _EXTENSIONS[image.format or ""]
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                image.load()
                orientation = _orientation(image)
    except UnidentifiedImageError:
        raise ContentError(f"The format of the picture {name} is not supported in mail.", hint=_FORMATS_HINT) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        message = f"The picture {name} has more than {MAX_PIXELS:,} pixels."
        raise ContentError(message, hint=_SMALLER) from None
    except Exception as error:  # decoders raise errors of every kind
        hint = "Export it again from the original."
        raise ContentError(f"The picture {name} is damaged: {error}.", hint=hint) from error
    if orientation >= 5:
        width, height = height, width
    content = without_metadata(content, extension, orientation)
    return LoadedImage.of(content, extension, (width, height))


def _orientation(image: Image.Image) -> int:
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _place(root: Path, folder: Path, src: str) -> Path:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:|//", src):
        hint = "Save the picture next to the article and use its file name: pictures are not downloaded yet."
        raise ContentError(f"The picture {src} is not a file.", hint=hint)
    try:
        path = (folder / src).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links; a NUL
        raise ContentError(f"The picture {src} was not found.", hint="Its path does not exist.") from None
    if not is_within(path, root):
        hint = "Move it into the folder that you import, or import the folder that contains both."
        raise ContentError(f"The picture {src} is outside the imported folder.", hint=hint)
    return path


LoadImage = Callable[[Path, Path, str], LoadedImage]
"""Takes the imported root, the article's folder and `src`; returns the picture or raises ContentError."""


def load_pictures(
    entry: RawEntry, draft: Draft, load_image: LoadImage, load_file: LoadImage = load_file
) -> tuple[Draft | None, dict[str, LoadedImage], tuple[Problem, ...]]:
    """Return the draft with the file of each image and poster, and the pictures by hash; or None and the problems."""
    pictures: dict[str, LoadedImage] = {}
    problems: list[Problem] = []

    def line_of(one: _Embed, place: str) -> int | None:
        line = entry.lines.get(place, entry.line)
        before, found, _ = str(entry.values.get("body") or "").partition(one.path)
        return (entry.lines.get("body") or 1) + before.count("\n") if _use(one) and found else line

    def loaded(one: _Embed, place: str) -> _Embed:
        if not one.path:
            return one
        try:
            load = load_file if _use(one) == "file" else load_image
            picture = load(entry.root, entry.folder, one.path)
        except ContentError as error:
            problems.append(Problem(draft.path, line_of(one, place), error.message, error.hint))
            return one
        pictures[picture.hash] = picture
        if isinstance(one, ArticleImage) and one.use == "file":
            return replace(one, file=picture.file, size=len(picture.content))
        return replace(one, file=picture.file)

    images = tuple(loaded(one, place) for one, place in _placed(entry, draft.images, "image", "src"))
    videos = tuple(loaded(one, place) for one, place in _placed(entry, draft.videos, "video", "poster"))
    if problems:
        return None, pictures, tuple(problems)
    as_list = len(videos) > 2 or (draft.kind == Kind.VIDEOS and len(videos) > 1)
    images, made = prepared_images(images, pictures)
    videos, also_made = prepared_videos(videos, pictures, as_list=as_list)
    notes = [
        Note(draft.path, line_of(one, place), _CUT.format(one.src), _CUT_HINT)
        for one, place in _placed(entry, images, "image", "src")
        if one.file and is_cut(one.file, one.shown)
    ]
    return replace(draft, images=images, videos=videos), {**pictures, **made, **also_made}, tuple(notes)


def _use(one: ArticleImage | ArticleVideo) -> str:
    return one.use if isinstance(one, ArticleImage) else ""


def _placed(entry: RawEntry, ones: Sequence[_Embed], single: str, key: str) -> Iterator[tuple[_Embed, str]]:
    """Yield each image or video with the key of its picture's path: the single one comes before the list."""
    leads = 1 if entry.values.get(single) is not None else 0
    for index, one in enumerate(ones):
        yield one, f"{single}.{key}" if index < leads else f"{single}s.{index - leads}.{key}"
