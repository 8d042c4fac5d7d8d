"""Atom feeds, one for everything and one for each interest, in each language.

An entry is an article and not an issue: that is what a feed for an interest can be about, what a feed reader shows as
unread, and what people pass on. It leads to its place in the issue's page and names the issue. The articles of the last
twelve issues are in the feed. The feed for an interest has the articles about it; those for everyone are in the feed
for everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, HTTPException
from lxml import etree
from sqlmodel import Session, col, select
from starlette.responses import RedirectResponse, Response

from digest.issues.models import Issue
from digest.publish import archive
from digest.publish.archive import Found, ShownIssue
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.settings.publication import pick
from digest.web.archive.atom import MEDIA_TYPE, Entry, Feed, atom, authority_of, tag_uri
from digest.web.archive.conditional import Asked, RequestValidators, answer
from digest.web.http.headers import OPEN

METHODS = ["GET", "HEAD"]
ISSUES = 12
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the archive's pages are: on our server, or wherever the static export is put (`still`)."""

    base_url: str
    default: str
    still: bool = False

    def archive(self, language: str) -> str:
        """Return the address of the list."""
        if self.still:
            return f"{self.base_url}/archive/{self._file(language)}"
        return f"{self.base_url}/archive?lang={language}"

    def issue(self, number: int, language: str) -> str:
        """Return the address of an issue's page."""
        if self.still:
            return f"{self.base_url}/archive/{number}/{self._file(language)}"
        return f"{self.base_url}/archive/{number}?lang={language}"

    def _file(self, language: str) -> str:
        return "" if language == self.default else f"{language}.html"

    def feed(self, language: str, interest: str) -> str:
        """Return the address of a feed."""
        return f"{self.base_url}/feeds/{language}{f'/{quote(interest)}' if interest else ''}.xml"


def build_router(publisher: Publisher) -> APIRouter:
    """Return the routes `/feeds/LANGUAGE.xml`, `/feeds/LANGUAGE/INTEREST.xml` and `/sitemap.xml`."""
    router = APIRouter()
    publication = publisher.settings.publication
    site = Site(publication.base_url, publication.language)

    @router.api_route("/feeds/{language}.xml", methods=METHODS, include_in_schema=False)
    def everything(known: Asked, language: str) -> Response:
        return _answer(publisher, site, known, language)

    @router.api_route("/feeds/{language}/{interest}.xml", methods=METHODS, include_in_schema=False)
    def about(known: Asked, language: str, interest: str) -> Response:
        renamed = [
            slug
            for slug in publisher.settings.catalogue.slugs
            if {slug} == publisher.settings.catalogue.parse(interest)
        ]
        if renamed and renamed != [interest]:  # who follows the feed of a former name goes on with the present one
            path = urlsplit(site.feed(language, renamed[0])).path
            return RedirectResponse(path, status_code=308, headers=OPEN)
        return _answer(publisher, site, known, language, interest)

    @router.api_route("/sitemap.xml", methods=METHODS, include_in_schema=False)
    def map_of_site(known: Asked) -> Response:
        with session_scope(publisher.engine, read_only=True) as session:
            issues, changed = archive.shown_issues(session), archive.last_change(session) or NEVER
        content = sitemap(site, issues, publisher.settings.languages)
        return answer(known, content, "application/xml", changed, OPEN)

    return router


def _answer(publisher: Publisher, site: Site, known: RequestValidators, language: str, interest: str = "") -> Response:
    if language not in publisher.settings.languages or (
        interest and interest not in publisher.settings.catalogue.slugs
    ):
        raise HTTPException(404)
    with session_scope(publisher.engine, read_only=True) as session:
        content = feed(publisher, session, site, language, interest)
        changed = archive.last_change(session) or NEVER
    return answer(known, content, MEDIA_TYPE, changed, OPEN)


def feed(publisher: Publisher, session: Session, site: Site, language: str, interest: str) -> bytes:
    """Return the feed in a language, about one interest or everything."""
    publication = publisher.settings.publication
    authority = authority_of(publication.list_id, publication.sender_domain)
    issues = [issue for issue in archive.shown_issues(session) if language in issue.editions][:ISSUES]
    entries = [
        _entry(publisher, site, authority, language, found)
        for found in archive.articles_of(session, issues, language)
        if not interest or interest in _interests(publisher, found)
    ]
    name = pick(publication.name, language)
    title = next((pick(i.title, language) for i in publisher.settings.interest if i.slug == interest), "")
    described = Feed(
        id=tag_uri(authority, _first_day(session), "feeds", language, *([interest] if interest else [])),
        title=f"{name}: {title}" if interest else name,
        subtitle=pick(publication.tagline, language),
        author=name,
        language=language,
        self_url=site.feed(language, interest),
        page_url=site.archive(language),
        updated=archive.last_change(session) or NEVER,
    )
    return atom(described, entries)


def _entry(publisher: Publisher, site: Site, authority: str, language: str, found: Found) -> Entry:
    issue, article = found.issue, found.article
    titles = {i.slug: pick(i.title, language) for i in publisher.settings.interest}
    page = site.issue(issue.number, language)
    return Entry(
        id=tag_uri(authority, issue.date, language, article.group),
        title=article.title,
        summary=article.summary,
        url=f"{page}#{quote(article.group)}",
        issue_url=page,
        issue_title=issue.editions[language].subject,
        published=issue.published_at,
        language=article.language,
        topics=[(slug, titles[slug]) for slug in _interests(publisher, found)],
    )


def _interests(publisher: Publisher, found: Found) -> list[str]:
    """The interests that an article is about; none for one that is for everyone."""
    topics = found.article.topics
    return [
        slug
        for slug in publisher.settings.catalogue.slugs
        if topics and publisher.settings.catalogue.matches(topics, frozenset({slug}))
    ]


def _first_day(session: Session) -> date:
    """A day on which the publication was there, which never changes: that of its first issue, withdrawn or not."""
    query = (
        select(col(Issue.date)).where(col(Issue.frozen_at).is_not(None)).order_by(col(Issue.frozen_at), col(Issue.id))
    )
    return session.exec(query.limit(1)).first() or NEVER.date()


def sitemap(site: Site, issues: Sequence[ShownIssue], languages: Sequence[str]) -> bytes:
    """Return the addresses of the archive for search engines, as sitemaps.org describes it."""
    root = etree.Element(f"{{{_SITEMAP}}}urlset", nsmap={None: _SITEMAP})
    for address, changed in [
        *((site.archive(language), None) for language in languages),
        *((site.issue(issue.number, code), issue.updated_at) for issue in issues for code in issue.editions),
    ]:
        element = etree.SubElement(root, f"{{{_SITEMAP}}}url")
        etree.SubElement(element, f"{{{_SITEMAP}}}loc").text = address
        if changed is not None:
            lastmod = changed.astimezone(UTC).date().isoformat()
            etree.SubElement(element, f"{{{_SITEMAP}}}lastmod").text = lastmod
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))
