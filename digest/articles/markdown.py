"""An article's content as the text of a Markdown file: what `intake` reads back to the same content."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml

from digest.articles.dates import parse_day


def as_markdown(slug: str, content: Mapping[str, Any]) -> str:
    """Return front matter and body; keys that say nothing are left out."""
    images, videos = ([_short(one) for one in content[key]] for key in ("images", "videos"))
    front: dict[str, Any] = {
        "title": content["title"],
        "slug": slug,
        "summary": content["summary"],
        "section": content["section"],
        "topics": content["topics"],
        "kind": content["kind"],
        "date": _day_or_text(content["date_text"]),
        "sources": content["sources"],
        "link": content["link"],
        "image": images[0] if len(images) == 1 else None,
        "images": images if len(images) > 1 else None,
        "video": videos[0] if len(videos) == 1 else None,
        "videos": videos if len(videos) > 1 else None,
        "citation": content["citation"] and _short(content["citation"]),
        "pin": content["pin"],
        "weight": content["weight"],
        "display": content["display"],
        "lang": content["language"],
        "translation_of": content["translation_of"],
        "apply_by": _day_or_text(content["apply_by"] or ""),
        "archive": content.get("archive"),
    }
    # An empty citation is still a citation, and `archive: false` is said only to mean it.
    meant = {"citation", "archive"}
    said = {key: value for key, value in front.items() if value or (key in meant and value is not None)}
    dumped = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{dumped}---\n\n{content['body']}".rstrip() + "\n"


_LOADED = {"hash", "extension", "width", "height"}


def _short(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody would write of an image, a video or a citation; an empty alt says something."""
    picture = group.get("src") or group.get("poster")
    return {key: value for key, value in group.items() if key not in _LOADED and (value or (key == "alt" and picture))}


def _day_or_text(text: str) -> date | str:
    # A date prints without the quotation marks that YAML would put around text that looks like one.
    try:
        return parse_day(text)
    except ValueError:
        return text
