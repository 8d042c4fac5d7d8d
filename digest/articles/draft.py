"""Drafts of articles before they are stored, and the canonical content that is hashed and compared. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from digest.articles.embeds import ArticleImage, ArticleVideo, Citation, as_json
from digest.articles.models import Article

MAX_SLUG = 120


@dataclass(frozen=True, slots=True)
class RawEntry:
    """Unchecked keys and values of one article.

    `path` is for messages; `lines` maps a key (`title`, `images.0.alt`, `body`) to its line. Paths of pictures start
    from `folder` and must stay below `root`; `source` is a Markdown file's path from the root.
    """

    path: str
    values: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)
    line: int | None = 1
    folder: Path = Path()
    root: Path = Path()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """One checked article."""

    path: str
    line: int | None
    slug: str
    title: str
    language: str
    summary: str = ""
    body: str = ""
    kind: str = "story"
    section: str | None = None
    topics: tuple[str, ...] = ()
    starts_on: date | None = None
    ends_on: date | None = None
    date_text: str = ""
    sources: tuple[str, ...] = ()
    link: str | None = None
    images: tuple[ArticleImage, ...] = ()
    videos: tuple[ArticleVideo, ...] = ()
    citation: Citation | None = None
    pin: bool = False
    weight: int = 0
    display: str | None = None
    apply_by: date | None = None
    kept_out: bool = False
    translation_of: str | None = None


CONTENT_FIELDS = (
    *("title", "language", "summary", "body", "kind", "section", "topics", "date_text", "sources", "link", "citation"),
    *("pin", "weight", "display", "apply_by"),
)
"""Fields of the content, apart from pictures. The days follow from `date_text`; the slug is only the name."""

_PICTURE_PLACE = {"src", "poster", "extension", "width", "height", "shown", "thumbnail"}


def content_of(article: Draft | Article, *, group: str) -> dict[str, Any]:
    """Return the content as JSON values; `group` is the slug of the translated original, or its own."""
    content = {name: _plain(getattr(article, name)) for name in CONTENT_FIELDS}
    content["translation_of"] = None if group == article.slug else group
    if article.kept_out:  # only then, so that hashes of other articles stay as they were
        content["archive"] = False
    return {**content, "images": _plain(article.images), "videos": _plain(article.videos)}


def content_hash(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the content's canonical JSON; pictures count by their bytes, not by file name."""
    pictures = {
        key: [{name: value for name, value in one.items() if name not in _PICTURE_PLACE} for one in content[key]]
        for key in ("images", "videos")
    }
    canonical = json.dumps({**content, **pictures}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: Any) -> Any:
    match value:
        case date():
            return value.isoformat()
        case tuple() | list():
            return [_plain(one) for one in value]
        case ArticleImage() | ArticleVideo() | Citation():
            return as_json(value)
        case dict():
            return dict(value)
        case _:
            return value
