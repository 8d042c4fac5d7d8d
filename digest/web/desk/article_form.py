"""The form of an article: its fields as the values that the checks read, and back. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from digest.articles.editing import FieldProblem
from digest.articles.intake import CITATION_KEYS, IMAGE_KEYS, VIDEO_KEYS
from subscribers.pages.forms import Form

TEXTS = ("title", "slug", "summary", "kind", "section", "date", "link", "weight", "display", "lang", "translation_of")
BLANK: dict[str, Any] = {
    **dict.fromkeys((*TEXTS, "apply_by", "body"), ""),
    "topics": [],
    "sources": [],
    "images": [],
    "videos": [],
    "citation": None,
    "pin": False,
    "archive": None,
}
"""The values of an empty form."""


def values_from(form: Form) -> dict[str, Any]:
    """Return the values of a posted form; pictures in the order of their numbers, without removed ones."""
    values: dict[str, Any] = {name: form.one(name) for name in (*TEXTS, "apply_by")}
    values["body"] = form.one("body").replace("\r\n", "\n")
    values["topics"] = list(form.all("topics"))
    values["sources"] = [line.strip() for line in form.one("sources").splitlines() if line.strip()]
    values["pin"] = form.one("pin") == "yes"
    values["archive"] = False if form.one("kept_out") == "yes" else None
    values["images"] = _rows(form, "image", IMAGE_KEYS, "src")
    values["videos"] = [
        {key: value for key, value in row.items() if value or (key == "alt" and row["poster"])}
        for row in _rows(form, "video", VIDEO_KEYS, "url")
    ]
    citation = {key: form.one(f"citation_{key}").strip() for key in CITATION_KEYS}
    authors = [name.strip() for name in citation.pop("authors").split(";") if name.strip()]
    given = {key: value for key, value in {"authors": authors, **citation}.items() if value}
    values["citation"] = given or ({} if values["kind"] == "citation" else None)
    return values


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with every field that the form has, one empty row for another video."""
    filled = {**BLANK, **{key: value for key, value in values.items() if value is not None}}
    filled["images"] = [{**dict.fromkeys(IMAGE_KEYS, ""), **one} for one in filled["images"]]
    filled["videos"] = [{**dict.fromkeys(VIDEO_KEYS, ""), **one} for one in [*filled["videos"], {}]]
    filled["citation"] = {**dict.fromkeys(CITATION_KEYS, ""), "authors": [], **(filled["citation"] or {})}
    filled["has_more"] = bool(
        filled["kind"] not in {"", "story"} or filled["pin"] or filled["display"] or filled["apply_by"]
    )
    return filled


def _rows(form: Form, name: str, keys: Sequence[str], needed: str) -> list[dict[str, str]]:
    """Return the rows of a repeated group of fields that are filled in and not removed."""
    columns = [form.all(f"{name}_{key}") for key in keys]
    rows = [dict(zip(keys, map(str.strip, row), strict=True)) for row in zip(*columns, strict=False)]
    removed = set(form.all(f"{name}_remove"))
    places = form.all(f"{name}_place")
    ordered = sorted(
        (int(places[index]) if index < len(places) and places[index].isdecimal() else index + 1, index)
        for index in range(len(rows))
    )
    return [rows[index] for _, index in ordered if rows[index][needed] and str(index) not in removed]


def by_field(problems: Sequence[FieldProblem]) -> Mapping[str, list[FieldProblem]]:
    """Return the problems by the group of fields that they stand beside."""
    found: dict[str, list[FieldProblem]] = {}
    for problem in problems:
        found.setdefault(problem.key.split(".")[0], []).append(problem)
    return found
