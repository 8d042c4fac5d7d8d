"""The review copy: every edition of one issue as it is now, for anyone with a review link. GET only.

The token in the path opens these pages and nothing else. They name no reader. Whatever is wrong with a token, the
answer is the same.
"""

from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from starlette.responses import HTMLResponse, Response

from digest.accounts import review_links
from digest.accounts.models import ReviewLink
from digest.publish.approval import issue_hash, manifest
from digest.publish.build import BuiltEdition
from digest.publish.publisher import Publisher
from digest.render.interest_words import interests_in_words
from digest.runtime.errors import DigestError, NotFoundError, UsageError
from digest.web.desk.access import LANGUAGES, ROOT, Access, DeskRoute, language_of
from digest.web.desk.frames import Scheme, frame_html, plain_page
from digest.web.desk.pages import DeskPages, framed
from digest.web.desk.preview import filled
from digest.web.desk.preview_views import interests_of
from digest.web.desk.review_links import COPY
from digest.web.desk.state import Desk, Snapshot
from digest.web.desk.view_query import Choice
from digest.web.public.pages import own_name, publication_in
from subscribers.interests import ALL_TEXT
from subscribers.models import Frequency

Interests = Annotated[list[str] | None, Query()]
_KEPT = 4  # builds in memory: more issues are not under review at a time


class ReviewCopy:
    """Handlers of the pages below a link."""

    def __init__(self, pages: DeskPages, access: Access) -> None:
        self._access, self._app, self._media = access, access.app, pages.desk.media
        self._root = f"{access.prefix}{ROOT}"
        self._desk_of: Callable[[int], Desk] = lru_cache(_KEPT)(self._new_desk)

    def overview(self, request: Request, token: str) -> Response:
        """Page with the editions."""

        def page(link: ReviewLink, look: Snapshot) -> Response:
            language, codes = language_of(request), look.publisher.settings.languages if look.made.editions else ()
            rows = [_row(look, edition, language) for edition in look.made.editions]
            wholes = [(own_name(code), Choice(code, ALL_TEXT, whole=True).query) for code in codes]
            return self._show(request, token, "review_copy", link, look, rows=rows, wholes=wholes)

        return self._answer(request, token, page)

    def edition(
        self,
        request: Request,
        token: str,
        *,
        language: str = "",
        interests: Interests = None,
        frequency: Frequency = Frequency.EVERY,
        whole: bool = False,
    ) -> Response:
        """Page with one edition in its frames."""

        def page(link: ReviewLink, look: Snapshot) -> Response:
            choice = _choice(look.publisher, language, interests, frequency, whole=whole)
            rendered = _edition(look, choice).rendered
            return self._show(request, token, "review_edition", link, look, choice=choice, rendered=rendered)

        return self._answer(request, token, page)

    def frame(
        self,
        request: Request,
        token: str,
        *,
        language: str = "",
        interests: Interests = None,
        frequency: Frequency = Frequency.EVERY,
        whole: bool = False,
        view: Literal["html", "text"] = "html",
        scheme: Scheme = Scheme.LIGHT,
    ) -> Response:
        """Frame with one edition: HTML in a colour scheme, or plain text."""

        def page(_: ReviewLink, look: Snapshot) -> Response:
            choice = _choice(look.publisher, language, interests, frequency, whole=whole)
            edition = _edition(look, choice)
            html, text = filled(look.publisher, edition, choice, self._path(token))
            if view == "text":
                return framed(plain_page(text, choice.language, edition.rendered.subject))
            return framed(frame_html(html, scheme, look.publisher.settings.publication.base_url, self._media))

        return self._answer(request, token, page)

    def slot(self, request: Request, token: str, name: str) -> Response:
        """Page that replaces the target of a personal link."""
        del name
        return self._answer(
            request, token, lambda link, look: self._show(request, token, "review_message", link, look, kind="slot")
        )

    def _answer(self, request: Request, token: str, page: Callable[[ReviewLink, Snapshot], Response]) -> Response:
        """Return the page of a valid link; else, or when the issue cannot be built, a page that says only that."""
        try:
            with self._app.session(read_only=True) as session:
                link = review_links.find(session, token, now=self._app.clock.now(), secret=self._access.secret)
            return page(link, self._desk_of(link.issue).look())
        except (NotFoundError, UsageError):
            return self._render(request, "", "review_message", HTTPStatus.NOT_FOUND, kind="over")
        except DigestError:  # its words are for those who made the fault
            return self._render(request, "", "review_message", HTTPStatus.SERVICE_UNAVAILABLE, kind="fault")

    def _show(
        self, request: Request, token: str, name: str, link: ReviewLink, look: Snapshot, **values: Any
    ) -> Response:
        publisher = look.publisher
        with self._app.session(read_only=True) as session:
            now = issue_hash(manifest(session, look.issue, publisher.settings, publisher.templates))
        until = link.expires_at.astimezone(publisher.settings.publication.zone).date()
        facts: dict[str, Any] = {"number": link.issue, "until": until, "changed": now != link.issue_hash}
        return self._render(request, self._path(token), name, **facts, **values)

    def _render(
        self, request: Request, copy: str, name: str, status: HTTPStatus = HTTPStatus.OK, **values: Any
    ) -> Response:
        publisher, language = self._app.publisher, language_of(request)
        frame = {
            "desk_root": self._root,
            "copy": copy,
            "language": language,
            "languages": [(code, own_name(code)) for code in LANGUAGES],
            "publication": publication_in(publisher.settings, language),
        }
        page = publisher.templates.render(f"web/{name}.html.j2", language, frame | values)
        return HTMLResponse(page, status, {"Vary": "Accept-Language"})

    def _new_desk(self, number: int) -> Desk:
        return Desk(self._app.publisher, number, self._app.clock, media=self._media, follows=False)

    def _path(self, token: str) -> str:
        return f"{self._root}{COPY}/{token}"


def _row(look: Snapshot, edition: BuiltEdition, language: str) -> dict[str, Any]:
    first, settings = edition.groups[0], look.publisher.settings
    translate = look.publisher.templates.translate(language)
    followed = [
        interests_in_words(group.interests, language, settings.interest, settings.catalogue, translate)
        for group in edition.groups
    ]
    return {
        "query": Choice(first.language, first.interests, frequency=first.frequency).query,
        "language": own_name(edition.selection.language),
        "follow": list(dict.fromkeys(followed)),
        "readers": edition.readers,
        "articles": len(edition.slugs),
    }


def _choice(
    publisher: Publisher, language: str, interests: list[str] | None, frequency: Frequency, *, whole: bool
) -> Choice:
    settings = publisher.settings
    language = settings.require_language(language or settings.publication.language)
    return Choice(language, interests_of(interests or [], publisher), whole, frequency=frequency.value)


def _edition(look: Snapshot, choice: Choice) -> BuiltEdition:
    found = look.whole(choice.language) if choice.whole else look.edition_for(choice.group)
    if found is None:
        raise NotFoundError("No such edition")
    return found


def routes(pages: DeskPages, access: Access) -> list[DeskRoute]:
    """Return the routes, which need no session: the token in the path is checked by each."""
    own, path = ReviewCopy(pages, access), f"{COPY}/{{token}}"
    return [
        DeskRoute("GET", path, own.overview, None),
        DeskRoute("GET", f"{path}/edition", own.edition, None),
        DeskRoute("GET", f"{path}/frame", own.frame, None),
        DeskRoute("GET", f"{path}/slot/{{name}}", own.slot, None),
    ]
