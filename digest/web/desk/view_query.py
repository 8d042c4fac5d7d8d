"""Choice and display options of the preview as query strings. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlencode

from digest.editions.segment import ReaderGroup
from digest.web.desk.mail_clients import MailClient
from subscribers.interests import SEPARATOR
from subscribers.models import Frequency

View = Literal["html", "text", "source", "inbox"]
Width = Literal["both", "600", "375", "320"]
SchemeChoice = Literal["both", "light", "dark"]


@dataclass(frozen=True, slots=True)
class Options:
    """Display options of an edition."""

    view: View = "html"
    width: Width = "both"
    scheme: SchemeChoice = "both"
    client: MailClient = MailClient.SENT

    @property
    def query(self) -> str:
        """The options as a query string."""
        chosen = {"view": self.view, "width": self.width, "scheme": self.scheme}
        return urlencode(chosen | ({"client": self.client} if self.client != MailClient.SENT else {}))


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


def _names(translate: Callable[[str], str]) -> dict[str, str]:
    return {
        "html": "HTML",
        "text": translate("Plain text"),
        "source": translate("Source"),
        "inbox": translate("Inbox line"),
        "both": translate("both"),
        "600": "600 px",
        "375": "375 px",
        "320": "320 px",
        "light": translate("light"),
        "dark": translate("dark"),
        MailClient.SENT: translate("as sent"),
        MailClient.NO_IMAGES: translate("without pictures"),
        MailClient.NO_STYLE: translate("without <style>"),
        MailClient.GMAIL: "Gmail",
        MailClient.OUTLOOK_DARK: translate("Outlook.com, dark"),
    }


def tools(choice: Choice, options: Options, translate: Callable[[str], str] = str) -> list[Tool]:
    """Return the rows of alternatives, with a query for each; the others than the first are for HTML only."""
    rows: list[tuple[str, str, tuple[str, ...]]] = [("view", translate("Show"), ("html", "text", "source", "inbox"))]
    if options.view == "html":
        rows.append(("client", translate("Mail app"), tuple(MailClient)))
        rows.append(("width", translate("Width"), ("both", "600", "375", "320")))
        if options.client.has_schemes:
            rows.append(("scheme", translate("Scheme"), ("both", "light", "dark")))
    names = _names(translate)
    return [Tool(name, [_item(choice, options, key, value, names) for value in values]) for key, name, values in rows]


def _item(choice: Choice, options: Options, key: str, value: str, names: dict[str, str]) -> dict[str, Any]:
    change: dict[str, Any] = {key: value}
    query = f"{choice.query}&{replace(options, **change).query}"
    return {"name": names[value], "query": query, "current": getattr(options, key) == value}


def frame_rows(
    choice: Choice, options: Options, heading: str, translate: Callable[[str], str] = str
) -> list[dict[str, Any]]:
    """Return the frames: a row for each width with a frame for each colour scheme."""
    names = _names(translate)
    if options.view == "inbox":
        return []
    if options.view != "html":
        name = names[options.view]
        query = f"{choice.query}&view={options.view}"
        frame = {"caption": name, "kind": "wide", "width": 1000, "title": f"{heading}, {name}", "query": query}
        return [{"name": "", "frames": [frame]}]
    widths = ("600", "375") if options.width == "both" else (options.width,)
    schemes: tuple[str, ...] = ("light", "dark") if options.scheme == "both" else (options.scheme,)
    schemes = schemes if options.client.has_schemes else ("light",)
    client, by = f"&client={options.client}", names[options.client]
    return [
        {
            "name": f"{width} px",
            "frames": [
                {
                    "caption": names[scheme].capitalize() if options.client.has_schemes else by,
                    "kind": "dark" if options.client == MailClient.OUTLOOK_DARK else scheme,
                    "width": int(width),
                    "title": f"{heading}, {names[scheme] if options.client.has_schemes else by}, {width} px",
                    "query": f"{choice.query}&view=html&scheme={scheme}"
                    + (client if options.client != MailClient.SENT else ""),
                }
                for scheme in schemes
            ],
        }
        for width in widths
    ]
