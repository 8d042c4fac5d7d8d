"""Atom feeds (RFC 4287) as bytes, escaped by lxml. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import quote

from lxml import etree

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
ATOM = "http://www.w3.org/2005/Atom"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# Characters that XML 1.0 (section 2.2) does not allow, not even as references.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AUTHORITY = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Entry:
    """An article; `url` leads to its place in the issue, `issue_url` to the issue. `topics` are slugs with titles."""

    id: str
    title: str
    summary: str
    url: str
    issue_url: str
    issue_title: str
    published: datetime
    language: str
    topics: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """Metadata of a feed."""

    id: str
    title: str
    subtitle: str
    author: str
    language: str
    self_url: str
    page_url: str
    updated: datetime


def tag_uri(authority: str, day: date, *parts: str) -> str:
    """Return a permanent identifier (RFC 4151), which stays when the site moves to another address."""
    return f"tag:{authority},{day.isoformat()}:{'/'.join(quote(part, safe='') for part in parts)}"


def authority_of(*names: str | None) -> str:
    """Return the first of these that is valid as the domain in a tag URI."""
    lowered = ((name or "").strip().lower() for name in names)
    return next((name for name in lowered if _AUTHORITY.fullmatch(name)), "localhost")


def atom(feed: Feed, entries: Iterable[Entry]) -> bytes:
    """Return the feed; the same values give the same bytes."""
    root = etree.Element(f"{{{ATOM}}}feed", {_LANG: feed.language}, nsmap={None: ATOM})
    _text(root, "id", feed.id)
    _text(root, "title", feed.title)
    if feed.subtitle:
        _text(root, "subtitle", feed.subtitle)
    _text(root, "updated", _moment(feed.updated))
    _text(_element(root, "author"), "name", feed.author)
    _element(root, "link", rel="self", type="application/atom+xml", href=feed.self_url)
    _element(root, "link", rel="alternate", type="text/html", hreflang=feed.language, href=feed.page_url)
    for entry in entries:
        _entry(root, entry, feed)
    etree.indent(root)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8")) + b"\n"


def _entry(root: etree._Element, entry: Entry, feed: Feed) -> None:
    element = _element(root, "entry")
    if entry.language != feed.language:
        element.set(_LANG, entry.language)
    _text(element, "id", entry.id)
    _text(element, "title", entry.title)
    # Articles never change: a correction is another one.
    _text(element, "updated", _moment(entry.published))
    _text(element, "published", _moment(entry.published))
    _element(element, "link", rel="alternate", type="text/html", href=entry.url)
    _element(element, "link", rel="related", type="text/html", title=entry.issue_title, href=entry.issue_url)
    for slug, title in entry.topics:
        _element(element, "category", term=slug, label=title)
    if entry.summary:
        _text(element, "summary", entry.summary)


def _element(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    allowed = {key: allowed_in_xml(value) for key, value in attributes.items()}
    return etree.SubElement(parent, f"{{{ATOM}}}{name}", allowed)


def _text(parent: etree._Element, name: str, text: str) -> None:
    _element(parent, name).text = allowed_in_xml(text)


def allowed_in_xml(text: str) -> str:
    """Return text with U+FFFD in place of characters that XML does not allow."""
    return _FORBIDDEN.sub("�", text)


def _moment(moment: datetime) -> str:
    """Format an instant by RFC 3339, in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
