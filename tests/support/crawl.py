"""Walking an exported site as a browser does from file: or any static server."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import etree, html


def links_of(path: Path) -> list[str]:
    """Every address in a page or a feed."""
    if path.suffix == ".xml":
        root = etree.fromstring(path.read_bytes())
        return [*root.xpath("//@href"), *(place.text for place in root.findall(".//{*}loc"))]
    text = path.read_text("utf-8")
    document = html.fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8"))
    attributes = [str(value) for value in document.xpath("//@href | //@src | //@background | //@poster | //@action")]
    return attributes + re.findall(r"url\(['\"]?([^'\")]+)", text)


def dead_links(site: Path) -> list[tuple[str, str]]:
    """Return page and address of each link below the site that leads to no file or to no place in it."""
    dead = []
    for page in sorted(site.rglob("*.html")):
        for link in links_of(page):
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            inside = target.is_relative_to(site.resolve()) and target.is_file()
            if not inside or (parts.fragment and not _has(target, unquote(parts.fragment))):
                dead.append((str(page.relative_to(site)), link))
    return dead


def outward(site: Path) -> set[str]:
    """Every whole address that the site's pages and feeds name."""
    files = list(site.rglob("*.*ml"))
    return {link for path in files for link in links_of(path) if urlsplit(link).scheme}


def reached(site: Path) -> set[str]:
    """The files that can be come to from the list by links."""
    seen: set[Path] = set()
    queue = [(site / "index.html").resolve()]
    while queue:
        page = queue.pop()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        if page.suffix == ".html":
            for link in links_of(page):
                parts = urlsplit(link)
                if not parts.scheme and parts.path:
                    queue.append((page.parent / unquote(parts.path)).resolve())
    return {str(path.relative_to(site.resolve())) for path in seen}


def _has(page: Path, anchor: str) -> bool:
    document = html.fromstring(page.read_bytes(), parser=html.HTMLParser(encoding="utf-8"))
    return bool(document.xpath("//*[@id=$anchor] | //a[@name=$anchor]", anchor=anchor))
