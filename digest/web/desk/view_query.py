"""Choice and display options of the preview as query strings. Pure."""

from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlencode

from digest.editions.segment import ReaderGroup
from subscribers.interests import SEPARATOR
from subscribers.models import Frequency

View = Literal["html", "text", "source"]
Width = Literal["both", "600", "375"]
SchemeChoice = Literal["both", "light", "dark"]


@dataclass(frozen=True, slots=True)
class Options:
    """Display options of an edition."""

    view: View = "html"
    width: Width = "both"
    scheme: SchemeChoice = "both"

    @property
    def query(self) -> str:
        """The options as a query string."""
        return urlencode({"view": self.view, "width": self.width, "scheme": self.scheme})


@dataclass(frozen=True, slots=True)
class Choice:
    """Choice of an edition by preferences, so that it stays the same when its articles change."""

    language: str
    interests: str
    whole: bool = False
    reader: str = ""
    frequency: str = Frequency.EVERY.value

    @property
    def group(self) -> ReaderGroup:
        """The group of subscribers with these preferences."""
        return ReaderGroup(self.language, self.interests, self.frequency)

    @property
    def query(self) -> str:
        """The choice as a query string."""
        pairs = [("language", self.language)]
        pairs += [("interests", slug) for slug in self.interests.split(SEPARATOR) if slug]
        pairs += [("frequency", self.frequency)] if self.frequency != Frequency.EVERY else []
        pairs += [("whole", "1")] if self.whole else []
        pairs += [("reader", self.reader)] if self.reader else []
        return urlencode(pairs)


@dataclass(frozen=True, slots=True)
class Tool:
    """A row of alternatives above the frames."""

    name: str
    items: list[dict[str, Any]]


_NAMES = {
    "html": "HTML", "text": "Plain text", "source": "Source", "both": "both", "600": "600 px", "375": "375 px",
    "light": "light", "dark": "dark",
}  # fmt: skip


def tools(choice: Choice, options: Options) -> list[Tool]:
    """Return the rows of alternatives, with a query for each; width and scheme are for HTML only."""
    rows = [_tool("Show", "view", ("html", "text", "source"), choice, options)]
    if options.view == "html":
        rows.append(_tool("Width", "width", ("both", "600", "375"), choice, options))
        rows.append(_tool("Scheme", "scheme", ("both", "light", "dark"), choice, options))
    return rows


def _tool(name: str, key: str, values: tuple[str, ...], choice: Choice, options: Options) -> Tool:
    items = []
    for value in values:
        change: dict[str, Any] = {key: value}
        query = f"{choice.query}&{replace(options, **change).query}"
        items.append({"name": _NAMES[value], "query": query, "current": getattr(options, key) == value})
    return Tool(name, items)


def frame_rows(choice: Choice, options: Options, heading: str) -> list[dict[str, Any]]:
    """Return the frames: a row for each width with a frame for each colour scheme."""
    if options.view != "html":
        name = _NAMES[options.view]
        query = f"{choice.query}&view={options.view}"
        frame = {"caption": name, "kind": "wide", "width": 1000, "title": f"{heading}, {name}", "query": query}
        return [{"name": "", "frames": [frame]}]
    widths = ("600", "375") if options.width == "both" else (options.width,)
    schemes = ("light", "dark") if options.scheme == "both" else (options.scheme,)
    return [
        {
            "name": f"{width} px",
            "frames": [
                {
                    "caption": scheme.capitalize(),
                    "kind": scheme,
                    "width": int(width),
                    "title": f"{heading}, {scheme}, {width} pixels wide",
                    "query": f"{choice.query}&view=html&scheme={scheme}",
                }
                for scheme in schemes
            ],
        }
        for width in widths
    ]
