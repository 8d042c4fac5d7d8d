"""Reproducible export of the archive as a static site: the live pages with links to files.

- index.html, ko.html: the start page, in the publication's language and in each other one
- archive/index.html: the list; archive/21/index.html: an issue
- media/, static/, feeds/, sitemap.xml: pictures, the style sheet, Atom feeds, the pages for search engines

The paths are those of the live server, so that links in mails work when the folder is served at base_url.
"""

import html
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sqlmodel import Session

from digest.articles.models import Media
from digest.editions import store as edition_store
from digest.editions.models import Edition
from digest.publish import archive
from digest.publish.archive import ShownIssue
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.web.archive.feeds import Site, feed, sitemap
from digest.web.archive.folder import Folder, SiteReport
from digest.web.archive.pages import issue_html, list_values, start_page
from digest.web.archive.paging import at
from digest.web.public.media import stored_logo
from digest.web.public.pages import Page
from digest.web.public.stylesheet import icon, page_style

Progress = Callable[[int, int], None]
_LINK = re.compile(r'\b(href|src|srcset|background|poster|action)="([^"]*)"')
_MEDIA = re.compile(r"/media/([0-9a-f]{64})\.([a-z]+)")
_ISSUE = re.compile(r"/archive/([1-9][0-9]*)")


def export(
    publisher: Publisher, directory: Path, *, base_url: str = "", progress: Progress = lambda _done, _of: None
) -> SiteReport:
    """Update the site in `directory`. Raises UsageError for a folder that is not from an export."""
    publication = publisher.settings.publication
    if base_url and not (base_url.startswith(("https://", "http://")) and urlsplit(base_url).netloc):
        raise UsageError(
            f"--base-url {base_url!r} is not a web address", hint="Use a form such as https://archive.example.org."
        )
    site = Site(base_url.rstrip("/") or publication.base_url, publication.language, still=bool(base_url))
    with Folder(directory) as folder, session_scope(publisher.engine, read_only=True) as session:
        issues = archive.shown_issues(session)
        for path, content in _Site(publisher, session, site, issues, progress).files():
            folder.stage(path, content)
        return folder.publish(len(issues))


class _Site:
    """Generator of the site's files."""

    def __init__(
        self, publisher: Publisher, session: Session, site: Site, issues: Sequence[ShownIssue], progress: Progress
    ) -> None:
        self._publisher, self._session, self._site, self._issues = publisher, session, site, issues
        self._progress = progress
        self._pictures: set[str] = set()
        self._logo = {one.hash: one for one in stored_logo(publisher.settings)}
        self._links = Links(publisher.settings.publication.base_url, site.default, issues)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content; link targets come before the pages that link to them."""
        languages = self._publisher.settings.languages
        yield "static/pages.css", page_style(self._publisher.templates, "pages.css").encode()
        yield "static/icon.svg", icon(self._publisher).encode()
        for done, issue in enumerate(self._issues):
            self._progress(done, len(self._issues))
            for language in languages:
                yield from self._issue(issue, language)
        self._progress(len(self._issues), len(self._issues))
        for language in languages:
            for interest in ("", *self._publisher.settings.catalogue.slugs):
                content = feed(self._publisher, self._session, self._site, language, interest)
                yield self._links.feed_file(language, interest), content
        yield "sitemap.xml", sitemap(self._site, self._issues, languages)
        for language in reversed(languages):
            yield from self._page(self._links.list_file(language), self._list(language), language)
            yield from self._page(self._links.start_file(language), self._start(language), language)

    def _issue(self, issue: ShownIssue, language: str) -> Iterator[tuple[str, bytes]]:
        page = Page(self._publisher, language, f"/archive/{issue.number}")
        edition = self._session.get_one(Edition, issue.edition(language, self._site.default).id)
        text = issue_html(page, self._session, issue, edition_store.document(self._session, edition), self._issues)
        self._session.expunge(edition)  # its bytes are large, and there may be hundreds
        yield from self._page(self._links.issue_file(issue.number, language), text, language)

    def _picture(self, picture: str, extension: str) -> Iterator[tuple[str, bytes]]:
        found = self._session.get(Media, picture)
        if found is not None and found.extension == extension:
            self._session.expunge(found)
            yield f"media/{picture}.{extension}", found.content
        elif found is None and picture in self._logo:
            yield f"media/{picture}.{extension}", self._logo[picture].content

    def _list(self, language: str) -> str:
        page, issues = Page(self._publisher, language, "/archive"), self._issues
        everything = at(issues, "1", max(1, len(issues)))
        return page.render("archive", **list_values(page, self._session, issues), part=everything, still=True)

    def _start(self, language: str) -> str:
        page = Page(self._publisher, language, "/")
        return start_page(page, self._session, self._issues[:1])

    def _page(self, path: str, text: str, language: str) -> Iterator[tuple[str, bytes]]:
        """Yield the pictures of a page that no other page has, then the page."""
        for picture, extension in _MEDIA.findall(text):
            if picture not in self._pictures:
                self._pictures.add(picture)
                yield from self._picture(picture, extension)
        yield path, self._links.turned(text, path, language).encode()


class Links:
    """Rewrites the links of a live page for a static file. Pure."""

    def __init__(self, base_url: str, default: str, issues: Sequence[ShownIssue]) -> None:
        self._base_url, self._root, self._default = base_url, urlsplit(base_url).path, default
        self._numbers = {issue.number for issue in issues}

    def start_file(self, language: str) -> str:
        """Return the path of the start page."""
        return "index.html" if language == self._default else f"{language}.html"

    def list_file(self, language: str) -> str:
        """Return the path of the list."""
        return f"archive/{self.start_file(language)}"

    def issue_file(self, number: int, language: str) -> str:
        """Return the path of an issue."""
        return f"archive/{number}/{self.start_file(language)}"

    def feed_file(self, language: str, interest: str) -> str:
        """Return the path of a feed."""
        return f"feeds/{language}/{interest}.xml" if interest else f"feeds/{language}.xml"

    def turned(self, text: str, path: str, language: str) -> str:
        """Return a page with links relative to the file `path`."""

        def turn(found: re.Match[str]) -> str:
            address = self._address(html.unescape(found[2]), posixpath.dirname(path), language)
            return f'{found[1]}="{html.escape(address)}"'

        return _LINK.sub(turn, text)

    def _address(self, address: str, folder: str, language: str) -> str:
        below = self._below(address)
        if below is None:
            return address
        parts = urlsplit(below)
        wanted = parse_qs(parts.query).get("lang", [language])[0]
        file = self._file(unquote(parts.path), wanted)
        if file is None:  # on the live server only, such as the page for subscribing
            return f"{self._base_url}{below}"
        return posixpath.relpath(file, folder or ".") + (f"#{parts.fragment}" if parts.fragment else "")

    def _below(self, address: str) -> str | None:
        """Return the address relative to the publication's root, None for other sites."""
        for root in (self._base_url, self._root):
            if address == root and root:
                return "/"
            if address.startswith(f"{root}/") and not address.startswith("//"):
                return address.removeprefix(root)
        return None

    def _file(self, path: str, language: str) -> str | None:
        if path == "/":
            return self.start_file(language)
        if path == "/archive":
            return self.list_file(language)
        issue = _ISSUE.fullmatch(path)
        if issue:
            return self.issue_file(int(issue[1]), language) if int(issue[1]) in self._numbers else None
        return path.removeprefix("/") if path.startswith(("/media/", "/static/", "/feeds/")) else None
