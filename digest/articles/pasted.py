"""Markdown from pasted HTML: of word processors and web pages, without their styles, scripts and trackers. Pure."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree, html
from lxml.html import HtmlElement
from markdownify import markdownify

from digest.articles.body import address_fault
from digest.runtime.errors import ContentError

MAX_HTML = 30_000_000
"""Characters of what is pasted, pictures in it included."""
MAX_TEXT = 600_000
"""Characters of the text in it."""
_CONDITION = re.compile(r"<!\[(?:if|endif)[^\]>]*\]>|<!--\[if.*?<!\[endif\]-->", re.DOTALL | re.IGNORECASE)
_DROPPED = {
    *("script", "style", "head", "title", "meta", "link", "xml", "iframe", "object", "embed", "form", "input"),
    *("button", "select", "textarea", "svg", "math", "noscript", "template", "video", "audio", "canvas"),
}
_LIST_LEVEL = re.compile(r"mso-list:\s*(l\d+)\s+level(\d+)", re.IGNORECASE)
_NUMBERED = re.compile(r"\(?(?:\d{1,3}|[a-z]{1,4})[.)]", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpeg|jpg|gif);base64,", re.IGNORECASE)
_BOLD = re.compile(r"font-weight:\s*(?:bold|[6-9]00)", re.IGNORECASE)
_NOT_BOLD = re.compile(r"font-weight:\s*(?:normal|400)", re.IGNORECASE)
_ITALIC = re.compile(r"font-style:\s*italic", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PastedText:
    """Markdown with the pictures that were in the text, by the names it has for them; `lost` could not be read."""

    markdown: str
    pictures: dict[str, bytes]
    lost: int


def markdown_of(pasted: str) -> PastedText:
    """Return pasted HTML as Markdown. Raises ContentError for too long a text."""
    too_long = ContentError(
        "The pasted text is too long.", hint="Paste it in parts, or split it into several articles."
    )
    if len(pasted) > MAX_HTML:
        raise too_long
    text = _CONDITION.sub("", pasted).replace("\0", "")
    parser = html.HTMLParser(remove_comments=True, remove_pis=True, encoding="utf-8")
    try:
        root = html.document_fromstring(text.encode("utf-8", "replace") or b"<p>", parser=parser)
    except (etree.ParserError, ValueError):
        return PastedText("", {}, 0)
    body = root.find("body") if root.find("body") is not None else root
    pictures, lost = _pictures(body)
    _simplify(body)
    _tidy(body)
    _join_lists(body)
    if len(body.text_content()) > MAX_TEXT:
        raise too_long
    inner = html.tostring(body, encoding="unicode")
    written = markdownify(inner, heading_style="ATX", bullets="-", table_infer_header=True)
    lines = [line.rstrip() for line in written.replace("\xa0", " ").splitlines()]
    return PastedText(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), pictures, lost)


def _pictures(body: HtmlElement) -> tuple[dict[str, bytes], int]:
    """Take pictures out of the text that come with it; others only stay as what they show."""
    found: dict[str, bytes] = {}
    lost = 0
    for image in list(body.iter("img")):
        source, alt = image.get("src") or "", " ".join((image.get("alt") or "").split())
        start = _PICTURE.match(source)
        content = b""
        if start:
            try:
                content = base64.b64decode(source[start.end() :], validate=False)
            except (binascii.Error, ValueError):
                content = b""
        for name in list(image.attrib):
            del image.attrib[name]
        if not content:
            lost += 1
            image.drop_tree()
            continue
        name = f"pasted-{len(found) + 1}"
        found[name] = content
        image.set("src", name)
        image.set("alt", alt)
    return found, lost


def _simplify(body: HtmlElement) -> None:
    """Leave the elements that Markdown has, and what emphasis and list items are by their style."""
    for element in list(body.iter()):
        if element.getparent() is None or element is body:
            continue
        name = str(element.tag).lower() if isinstance(element.tag, str) else ""
        style = element.get("style") or ""
        if not name or name in _DROPPED or "mso-element:" in style or "display:none" in style.replace(" ", ""):
            element.drop_tree()
        elif name == "a":
            _settle_link(element)
        elif name in {"span", "font"} and "mso-list:" not in style:
            _settle_span(element, style)
        elif ":" in name or (name in {"b", "strong"} and _NOT_BOLD.search(style)):
            element.drop_tag()  # o:p, v:shape, w:sdt; the bold that Google Docs puts around all that it copies
        elif name == "p" and "MsoTitle" in (element.get("class") or ""):
            element.tag = "h1"


def _tidy(body: HtmlElement) -> None:
    """Leave out empty emphasis, and keep as text what only looks like a tag."""
    for element in list(body.iter("b", "strong", "i", "em")):
        if not element.text_content().strip():
            element.drop_tag()
    for element in body.iter():
        element.text = element.text.replace("<", "\\<") if element.text else element.text
        element.tail = element.tail.replace("<", "\\<") if element.tail else element.tail


def _settle_link(element: HtmlElement) -> None:
    address = (element.get("href") or "").strip()
    if not address or address_fault(address):
        element.drop_tag()
    else:
        _only(element, href=address)


def _settle_span(element: HtmlElement, style: str) -> None:
    emphasis = "strong" if _BOLD.search(style) else "em" if _ITALIC.search(style) else ""
    if not emphasis or not element.text_content().strip():
        element.drop_tag()
    else:
        element.tag = emphasis
        _only(element)


def _only(element: HtmlElement, **attributes: str) -> None:
    for name in list(element.attrib):
        del element.attrib[name]
    for name, value in attributes.items():
        element.set(name, value)


def _join_lists(body: HtmlElement) -> None:
    """Make lists of a word processor's paragraphs that only look like items."""
    lists: list[HtmlElement] = []
    last: HtmlElement | None = None
    for paragraph, level, is_numbered in [*_items(body)]:
        parent = paragraph.getparent()
        follows = last is not None and _next(last) is paragraph
        if not follows:
            lists = []
        del lists[level:]
        while len(lists) < level:
            new = html.Element("ol" if is_numbered else "ul")
            if lists:
                within = lists[-1]
                within.append(html.Element("li")) if len(within) == 0 else None
                within[-1].append(new)
            else:
                parent.replace(paragraph, new) if not follows else parent.insert(parent.index(paragraph), new)
            lists.append(new)
        if paragraph.getparent() is not None:
            parent.remove(paragraph)
        paragraph.tag = "li"
        _only(paragraph)
        lists[-1].append(paragraph)
        last = lists[0]


def _next(element: HtmlElement) -> HtmlElement | None:
    return None if (element.tail or "").strip() else element.getnext()


def _items(body: HtmlElement) -> Iterator[tuple[HtmlElement, int, bool]]:
    """Yield paragraphs that are list items, with their level from 1 and whether they are numbered; without marks."""
    for paragraph in list(body.iter("p", "h1", "h2", "h3")):
        found = _LIST_LEVEL.search(paragraph.get("style") or "")
        if found is None:
            continue
        mark = next(
            (one for one in paragraph.iter("span") if "mso-list:ignore" in (one.get("style") or "").lower()), None
        )
        shown = " ".join(mark.text_content().split()) if mark is not None else ""
        if mark is not None:
            mark.drop_tree()
        for span in list(paragraph.iter("span")):
            span.drop_tag()
        yield paragraph, min(int(found[2]), 6), bool(_NUMBERED.match(shown))
