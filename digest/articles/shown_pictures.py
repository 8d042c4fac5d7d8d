"""Pictures as mails show them: upright, in RGB, at most twice as wide as they stand there, never taller than 4:5.

The file as imported is kept beside them: it is what is exported, hashed and linked to as the whole picture.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from PIL import Image, ImageOps

from digest.articles.embeds import ArticleImage, ArticleVideo, LoadedImage, PictureFile

COLUMN = 552
"""CSS pixels of a picture across the column of the packaged theme."""
HALF = 268
"""One of a pair."""
THUMBNAIL = 200
TALLEST = 4 / 5
"""Width by height below which a picture is cut; a link leads to the whole."""
_WIDEST_PAIR = 2.5
_ALIKE = 1.05  # ratios of a pair that need no cut
_LOST = 0.2  # share of a picture that may be cut without a word
_SHOWN_MODES = {"RGB", "RGBA", "L", "LA", "P", "1"}
_QUALITY = 85

_Embed = TypeVar("_Embed", ArticleImage, ArticleVideo)
_Loaded = Mapping[str, LoadedImage]


def is_cut(whole: PictureFile, shown: PictureFile | None) -> bool:
    """Return whether so much of a picture is cut that readers need a link to the whole."""
    if shown is None or not whole.height or not shown.height:
        return False
    ratios = whole.width / whole.height, shown.width / shown.height
    return 1 - min(ratios) / max(ratios) > _LOST


def prepared_images(images: Sequence[ArticleImage], pictures: _Loaded) -> tuple[tuple[ArticleImage, ...], _Loaded]:
    """Return images with the pictures that are shown for them in a gallery, and those pictures by hash."""
    gallery = [image for image in images if not image.use]
    alone = [image for image in images if image.use == "body"]
    made: dict[str, LoadedImage] = {}
    pairs = [gallery[at : at + 2] for at in range(0, len(gallery), 2)] + [[image] for image in alone]
    ready = [one for pair in pairs for one in _prepared(pair, HALF if len(pair) == 2 else COLUMN, pictures, made)]
    return (*ready, *(image for image in images if image.use == "file")), made


def prepared_videos(
    videos: Sequence[ArticleVideo], pictures: _Loaded, *, as_list: bool
) -> tuple[tuple[ArticleVideo, ...], _Loaded]:
    """Return videos with the posters that are shown for them, as for `prepared_images`."""
    made: dict[str, LoadedImage] = {}
    if as_list or len(videos) != 2:
        width = THUMBNAIL if as_list else COLUMN
        return tuple(one for video in videos for one in _prepared([video], width, pictures, made)), made
    return tuple(_prepared(videos, HALF, pictures, made)), made


def _prepared(row: Sequence[_Embed], width: int, pictures: _Loaded, made: dict[str, LoadedImage]) -> list[_Embed]:
    known = [one.file for one in row if one.file and one.file.width]
    ratios = [min(max(file.width / file.height, TALLEST), _WIDEST_PAIR) for file in known]
    common = math.prod(ratios) ** (1 / len(ratios)) if ratios else 1.0
    alike = not ratios or max(ratios) / min(ratios) <= _ALIKE
    ready: list[_Embed] = []
    for one in row:
        if one.file is None or one.file.hash not in pictures or not one.file.width:
            ready.append(one)
            continue
        ratio = one.file.width / one.file.height if alike else common
        content = pictures[one.file.hash].content
        sizes = [_derived(content, target, max(ratio, TALLEST)) for target in (width, THUMBNAIL)]
        made.update({picture.hash: picture for picture in sizes if picture})
        shown, thumbnail = (picture.file if picture else None for picture in sizes)
        ready.append(replace(one, shown=shown, thumbnail=thumbnail if thumbnail != shown else None))
    return ready


@lru_cache(maxsize=64)  # translations share their pictures
def _derived(content: bytes, width: int, ratio: float) -> LoadedImage | None:
    """Return a picture as shown at a width, cut to a ratio, or None if the file serves as it is."""
    with Image.open(io.BytesIO(content)) as source:
        if getattr(source, "n_frames", 1) > 1 and source.format == "GIF":  # animated
            return None
        kind, profile = source.format, source.info.get("icc_profile")
        upright = ImageOps.exif_transpose(source)
        turned = source.getexif().get(0x0112, 1) != 1
    box = _cut(upright.size, ratio)
    size = box[2] - box[0], box[3] - box[1]
    scale = min(2 * width / size[0], 1)
    if not turned and upright.mode in _SHOWN_MODES and size == upright.size and scale == 1:
        return None
    if upright.mode not in _SHOWN_MODES or (scale < 1 and upright.mode in {"P", "1"}):
        alpha = upright.mode == "P" and "transparency" in upright.info
        profile = None if upright.mode == "CMYK" else profile
        upright = upright.convert("RGBA" if alpha else "RGB")
    target = round(size[0] * scale), max(round(size[1] * scale), 1)
    result = upright.resize(target, Image.Resampling.LANCZOS, box=box)
    result.info = {}
    file = io.BytesIO()
    is_jpeg = kind not in {"PNG", "GIF"}
    options = {"quality": _QUALITY} if is_jpeg else {}
    result.save(file, "JPEG" if is_jpeg else "PNG", optimize=True, icc_profile=profile, **options)
    return LoadedImage.of(file.getvalue(), "jpg" if is_jpeg else "png", target)


def _cut(size: tuple[int, int], ratio: float) -> tuple[int, int, int, int]:
    """Return the box of a cut: of a strip its top, else the middle."""
    width, height = size
    if width / height < ratio:
        kept = round(width / ratio)
        top = 0 if width / height < TALLEST else (height - kept) // 2
        return 0, top, width, top + kept
    kept = round(height * ratio)
    if kept >= width:
        return 0, 0, width, height
    left = (width - kept) // 2
    return left, 0, left + kept, height
