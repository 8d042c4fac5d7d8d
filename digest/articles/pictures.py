"""The pictures of one draft: every image and every poster of a video gets the hash, kind and size of its bytes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from digest.articles.draft import Draft, RawEntry
from digest.articles.media import LoadedImage
from digest.articles.problems import Problem
from digest.runtime.errors import ContentError

LoadImage = Callable[[Path, Path, str], LoadedImage]
"""Takes the imported root, the article's folder and `src`; returns the picture or raises ContentError."""


def load_pictures(
    entry: RawEntry, draft: Draft, load_image: LoadImage
) -> tuple[Draft | None, dict[str, LoadedImage], tuple[Problem, ...]]:
    """Return the draft with hash, extension, width and height in each image and video, and the pictures by hash.

    If one cannot be used the draft is None, and the problems say why, each with the line of the picture's path.
    """
    pictures: dict[str, LoadedImage] = {}
    problems: list[Problem] = []

    def loaded(one: dict[str, Any], key: str, place: str) -> dict[str, Any]:
        if not one[key]:
            return {**one, "hash": None, "extension": None, "width": None, "height": None}
        try:
            picture = load_image(entry.root, entry.folder, one[key])
        except ContentError as error:
            problems.append(Problem(draft.path, entry.lines.get(place, entry.line), error.message, error.hint))
            return one
        pictures[picture.hash] = picture
        size = {"width": picture.width, "height": picture.height}
        return {**one, "hash": picture.hash, "extension": picture.extension, **size}

    images = tuple(loaded(one, "src", place) for one, place in _placed(entry, draft.images, "image", "src"))
    videos = tuple(loaded(one, "poster", place) for one, place in _placed(entry, draft.videos, "video", "poster"))
    return None if problems else replace(draft, images=images, videos=videos), pictures, tuple(problems)


def _placed(
    entry: RawEntry, ones: Sequence[dict[str, Any]], single: str, key: str
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each image or video with the place of its picture's path: the single one stands before the list."""
    leads = 1 if entry.values.get(single) is not None else 0
    for index, one in enumerate(ones):
        yield one, f"{single}.{key}" if index < leads else f"{single}s.{index - leads}.{key}"
