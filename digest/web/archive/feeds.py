"""Atom feeds in each language, one for everything and one for each interest, and the sitemap.

An entry is an article of the last twelve issues, linked to its place in the issue's page. Articles without topics are
only in the feed for everything.
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
    """Addresses of the archive's pages, on our server or in a static export (`still`)."""

    base_url: str
    default: str
    still: bool = False

    def archive(self, language: str) -> str:
        """Return the address of the list."""
        return self._page("archive", language)

    def issue(self, number: int, language: str) -> str:
        """Return the address of an issue's page."""
        return self._page(f"archive/{number}", language)

    def _page(self, path: str, language: str) -> str:
        file = "" if language == self.default else f"{language}.html"
        return f"{self.base_url}/{path}/{file}" if self.still else f"{self.base_url}/{path}?lang={language}"

    def feed(self, language: str, interest: str) -> str:
        """Return the address of a feed."""
        return f"{self.base_url}/feeds/{language}{f'/{quote(interest)}' if interest else ''}.xml"


def build_router(publisher: Publisher) -> APIRouter:
    """Return the routes `/feeds/LANGUAGE.xml`, `/feeds/LANGUAGE/INTEREST.xml` and `/sitemap.xml`."""
    router = APIRouter()
    publication, catalogue = publisher.settings.publication, publisher.settings.catalogue
    site = Site(publication.base_url, publication.language)

    @router.api_route("/feeds/{language}.xml", methods=METHODS, include_in_schema=False)
    def everything(known: Asked, language: str) -> Response:
        return _answer(publisher, site, known, language)

    @router.api_route("/feeds/{language}/{interest}.xml", methods=METHODS, include_in_schema=False)
    def about(known: Asked, language: str, interest: str) -> Response:
        renamed = [slug for slug in catalogue.slugs if {slug} == catalogue.parse(interest)]
        if renamed and renamed != [interest]:  # the feed of a former name
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
    interests = ("", *publisher.settings.catalogue.slugs)
    if language not in publisher.settings.languages or interest not in interests:
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
    """Return the interests of an article; none for one that is for everyone."""
    topics, catalogue = found.article.topics, publisher.settings.catalogue
    return [slug for slug in catalogue.slugs if topics and catalogue.matches(topics, frozenset({slug}))]


def _first_day(session: Session) -> date:
    """Return the day of the first issue, withdrawn or not: a date for tag URIs that never changes."""
    query = select(col(Issue.date)).where(col(Issue.frozen_at).is_not(None))
    return session.exec(query.order_by(col(Issue.frozen_at), col(Issue.id)).limit(1)).first() or NEVER.date()


def sitemap(site: Site, issues: Sequence[ShownIssue], languages: Sequence[str]) -> bytes:
    """Return the archive's sitemap for search engines (sitemaps.org)."""
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
