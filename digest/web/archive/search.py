"""Search in the archive by words and interest; the query is in the address, without script."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from digest.editions.search_terms import MAX_QUERY, shortened, words_of
from digest.publish import archive
from digest.publish.archive import Found
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.settings.publication import pick
from digest.web.archive.pages import interests_of
from digest.web.archive.paging import ResultPage, at
from digest.web.public.languages import choose
from digest.web.public.pages import Page, show

METHODS = ["GET", "HEAD"]
PAGE = 20


def build_router(publisher: Publisher) -> APIRouter:
    """Return the route `/archive/search`; it must stand before `/archive/{number}`."""
    router = APIRouter()
    languages = publisher.settings.languages

    @router.api_route("/archive/search", methods=METHODS, include_in_schema=False)
    def search(
        q: str = "", interest: str = "", page: str = "1", lang: str = "", accept_language: Annotated[str, Header()] = ""
    ) -> Response:
        shown = Page(publisher, choose(lang, accept_language, languages), "/archive/search")
        chosen = interest if interest in publisher.settings.catalogue.slugs else ""
        words = words_of(q)
        asked = bool(words or chosen)
        values: dict[str, Any] = {"q": shortened(q), "interest": chosen, "max_query": MAX_QUERY, "asked": asked}
        nothing: ResultPage[Found] = ResultPage((), 1, 1, 0)
        part = _found(publisher, shown.language, words, chosen, page) if asked else nothing
        values |= {"interests": interests_of(shown), "hits": _hits(shown, part)}
        return show(shown, "archive_search", **values, part=part)

    return router


def _found(publisher: Publisher, language: str, words: Sequence[str], interest: str, page: str) -> ResultPage[Found]:
    def about(topics: Sequence[str]) -> bool:
        return not interest or (bool(topics) and publisher.settings.catalogue.matches(topics, frozenset({interest})))

    languages = list(dict.fromkeys([language, publisher.settings.publication.language]))
    with session_scope(publisher.engine, read_only=True) as session:
        issues = archive.shown_issues(session)
        part = at(archive.search(session, issues, words, about=about, languages=languages), page, PAGE)
        return ResultPage(archive.read(session, part.rows), part.number, part.pages, part.count)


def _hits(page: Page, part: ResultPage[Found]) -> list[dict[str, Any]]:
    titles = {section.slug: pick(section.title, page.language) for section in page.publisher.settings.section}
    return [
        {
            "number": found.issue.number,
            "date": found.issue.date,
            "page_language": found.page_language,
            "anchor": found.article.group,
            "language": found.article.language,
            "title": found.article.title,
            "summary": archive.excerpt(found.article.summary),
            "section": titles.get(found.article.section, ""),
        }
        for found in part.rows
    ]
