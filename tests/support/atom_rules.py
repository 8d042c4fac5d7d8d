"""What RFC 4287 demands of a feed, as far as its schema and its prose can be checked; raises AssertionError."""

import re
from urllib.parse import urlsplit

import feedparser
from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
XML = "{http://www.w3.org/XML/1998/namespace}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
ONCE = {"id", "title", "updated"}
AT_MOST_ONCE = {"subtitle", "generator", "icon", "logo", "rights", "published", "summary", "content", "source"}
OF_FEED = ONCE | {
    "subtitle",
    "generator",
    "icon",
    "logo",
    "rights",
    "author",
    "contributor",
    "category",
    "link",
    "entry",
}
OF_ENTRY = ONCE | {"published", "summary", "content", "source", "rights", "author", "contributor", "category", "link"}


def checked(content: bytes) -> etree._Element:
    """Return the feed's root."""
    root = etree.fromstring(content, etree.XMLParser(resolve_entities=False))
    assert root.tag == f"{ATOM}feed"
    assert root.get(f"{XML}lang")
    _container(root, OF_FEED)
    entries = root.findall(f"{ATOM}entry")
    assert root.findall(f"{ATOM}author"), "4.1.1: each entry has an author, or the feed"
    assert len(root.findall(f"{ATOM}link[@rel='self']")) == 1
    for entry in entries:
        _container(entry, OF_ENTRY)
        assert entry.findall(f"{ATOM}link[@rel='alternate']"), "4.1.2: without content"
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == len(ids), "4.1.1: one entry for one id at one moment"
    parsed = feedparser.parse(content, response_headers={"content-type": "application/atom+xml"})
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    assert len(parsed.entries) == len(entries)
    return root


def _container(element: etree._Element, allowed: set[str]) -> None:
    names = [child.tag.removeprefix(ATOM) for child in element]
    assert set(names) <= allowed
    assert all(names.count(name) == 1 for name in ONCE)
    assert all(names.count(name) <= 1 for name in AT_MOST_ONCE)
    for child in element:
        name = child.tag.removeprefix(ATOM)
        if name in {"updated", "published"}:
            assert MOMENT.fullmatch(child.text or ""), child.text
        elif name == "id":
            assert re.fullmatch(r"tag:[a-z0-9.-]+,\d{4}-\d\d-\d\d:[A-Za-z0-9%./_~-]+", child.text or ""), child.text
        elif name == "title":
            assert child.get("type", "text") == "text"
            assert (child.text or "").strip()
            assert len(child) == 0
        elif name == "link":
            assert urlsplit(child.get("href")).scheme in {"http", "https"}, "an IRI that stands alone"
            assert re.fullmatch(r"[\x21-\x7e]+", child.get("href"))
        elif name == "category":
            assert child.get("term")
        elif name == "author":
            assert child.findtext(f"{ATOM}name")
    places = [[link.get(key) for key in ("rel", "type", "hreflang")] for link in element.findall(f"{ATOM}link")]
    alternates = [tuple(place) for place in places if place[0] == "alternate"]
    assert len(set(alternates)) == len(alternates), "4.1.1, 4.1.2: one alternate for a type and a language"
