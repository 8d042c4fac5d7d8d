"""Routes of the editors' preview: an issue as each group of subscribers gets it. GET only, loopback only."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from digest.publish.build import BuiltEdition
from digest.publish.edition_filter import EditionFilter
from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.render.slots import Slot, SlotContext, fill
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.runtime.errors import ContentError, DigestError, NotFoundError, UsageError
from digest.settings.publication import pick
from digest.web.desk import preview_views as views
from digest.web.desk import reader_lookup as readers
from digest.web.desk.edition_list import edition_list, places_of
from digest.web.desk.file_changes import events
from digest.web.desk.frames import Scheme, frame_html, plain_page
from digest.web.desk.state import Desk, Snapshot
from digest.web.desk.view_query import Choice, Options, SchemeChoice, View, Width, frame_rows, tools
from subscribers.models import Frequency, Subscriber

METHODS = ["GET", "HEAD"]
# The frame's own: no script, no form, no third party; its origin is opaque anyway (sandbox).
FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src 'self'; frame-ancestors 'self'"
)
SLOT_PAGES = {
    "preferences": (Slot.PREFERENCES_URL, "Each reader's own preferences page"),
    "unsubscribe": (Slot.UNSUBSCRIBE_URL, "Each reader's own unsubscribe page"),
    "view": (Slot.VIEW_URL, "This edition in a browser"),
    "action": (Slot.ACTION_URL, "The page that a notice asks its reader to open"),
}
ASSETS = {"preview.css": "text/css", "preview.js": "text/javascript"}


def build_router(desk: Desk, clock: Clock, closing: threading.Event) -> APIRouter:
    """Return the routes of pages, frames, and the stream of file changes, below the desk's root in `digest serve`."""
    router = APIRouter()
    pages = PreviewPages(desk, clock, closing)
    routes: dict[str, Callable[..., Any]] = {
        "/": pages.overview,
        "/edition": pages.edition,
        "/reader": pages.find_reader,
        "/reader/{ref}": pages.as_reader,
        "/frame": pages.frame,
        "/slot/{name}": pages.slot,
        "/changes": pages.changes,
        "/assets/{name}": pages.asset,
    }
    for path, page in routes.items():
        router.add_api_route(path, page, methods=METHODS, include_in_schema=False, response_model=None)
    return router


class PreviewPages:
    """Handlers of the preview; each request uses a new snapshot."""

    def __init__(self, desk: Desk, clock: Clock, closing: threading.Event) -> None:
        self._desk, self._clock, self._closing = desk, clock, closing

    def overview(self, *, language: str = "", interest: str = "", article: str = "", page: int = 1) -> Response:
        """Page with the editions that have all that is named, the matrix and the findings."""
        look = self._desk.look()
        settings = look.publisher.settings
        places = places_of(look, EditionFilter.chosen(look.publisher, look.made, language, interest, article))
        findings, more_findings = views.grouped_findings(look)
        return show(
            self._desk,
            "preview",
            issue=views.desk_facts(look),
            troubles=look.troubles,
            list=edition_list(look, places, {"language": language, "interest": interest, "article": article}, page),
            wholes=views.archive_cards(look),
            columns=views.matrix_columns(look, places),
            rows=views.matrix_rows(look, places),
            findings=findings,
            more_findings=more_findings,
            nothing_for=views.nothing_for(look),
            interests=[
                {"slug": interest.slug, "title": pick(interest.title, views.DESK_LANGUAGE)}
                for interest in settings.interest
            ],
            languages=[(code, views.language_name(code)) for code in settings.languages],
        )

    def edition(
        self,
        *,
        language: str = "",
        interests: Annotated[list[str] | None, Query()] = None,
        frequency: Frequency = Frequency.EVERY,
        whole: bool = False,
        reader: str = "",
        view: View = "html",
        width: Width = "both",
        scheme: SchemeChoice = "both",
    ) -> Response:
        """Page with one edition in its frames, in general or for a given subscriber."""
        look = self._desk.look()
        choice = _choice(look, language, interests, frequency, whole=whole, reader=reader)
        options = Options(view, width, scheme)
        person = self._reader(look, reader)
        edition = _edition(look, choice)
        if edition is None:
            return self._nothing(look, choice, person)
        facts = views.edition_facts(look, edition, choice)
        return show(
            self._desk,
            "preview_edition",
            issue=views.desk_facts(look),
            troubles=look.troubles,
            edition=facts,
            editions=views.cards_near(look, None if whole else edition),
            total=len(look.made.editions),
            options={"query": options.query, "tools": tools(choice, options)},
            frames=frame_rows(choice, options, facts["heading"]),
            reader=person,
        )

    def frame(
        self,
        *,
        language: str = "",
        interests: Annotated[list[str] | None, Query()] = None,
        frequency: Frequency = Frequency.EVERY,
        whole: bool = False,
        reader: str = "",
        view: View = "html",
        scheme: Scheme = Scheme.LIGHT,
    ) -> Response:
        """Frame with one edition: HTML in a colour scheme, plain text, or source."""
        del reader  # only makes the frame's address unique
        look = self._desk.look()
        choice = _choice(look, language, interests, frequency, whole=whole)
        edition = _edition(look, choice)
        if edition is None:
            raise HTTPException(404)
        base_url = look.publisher.settings.publication.base_url
        html, text = filled(look, edition, choice, self._desk.root)
        title = edition.rendered.subject
        if view == "html":
            return framed(frame_html(html, scheme, base_url, self._desk.media))
        return framed(plain_page(text if view == "text" else html, edition.selection.language, title))

    def find_reader(self, address: str = "") -> Response:
        """Page with the subscribers whose address contains a text; redirects to a single or exact match."""
        look = self._desk.look()
        with session_scope(look.publisher.engine, read_only=True) as session:
            found = readers.search(session, address)
        exact = [person for person in found if person.address.casefold() == address.strip().casefold()]
        if len(found) == 1 or exact:
            return RedirectResponse(f"{self._desk.root}/reader/{(exact or found)[0].ref}", status_code=303)
        message = f"No reader's address contains “{address.strip()}”." if address.strip() and not found else ""
        return show(
            self._desk,
            "preview_reader",
            heading="Look up a reader",
            troubles=look.troubles,
            address=address.strip(),
            found=found[: readers.MOST],
            more=len(found) > readers.MOST,
            message=message,
        )

    def as_reader(self, ref: str) -> Response:
        """Redirect to the edition of a subscriber."""
        look = self._desk.look()
        with session_scope(look.publisher.engine, read_only=True) as session:
            person = readers.by_ref(session, ref)
        if person is None:
            raise HTTPException(404)
        catalogue = look.publisher.settings.catalogue
        interests = catalogue.canonical(catalogue.parse(person.interests))
        choice = Choice(look.publisher.rules.language_for(person.language), interests, frequency=person.frequency)
        options = Options(view="text" if person.format == "text" else "html")
        return RedirectResponse(
            f"{self._desk.root}/edition?{choice.query}&reader={person.ref}&{options.query}", status_code=303
        )

    def slot(self, name: Literal["preferences", "unsubscribe", "view", "action"]) -> Response:
        """Page that replaces the target of a personal link, so that no click changes a subscription."""
        message = (
            f"In the mail, this link leads to: {SLOT_PAGES[name][1].lower()}. The preview does not sign such links."
        )
        return show(self._desk, "preview_message", heading=SLOT_PAGES[name][1], message=message, hint="", troubles=())

    async def changes(self) -> Response:
        """Stream of file changes as Server-Sent Events."""
        if not self._desk.follows:
            return Response(status_code=HTTPStatus.NO_CONTENT)  # an EventSource asks no more
        stream = events(self._desk.publisher.settings.workspace, self._closing)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def asset(self, name: str) -> Response:
        """Style sheet and script."""
        if name not in ASSETS:
            raise HTTPException(404)
        return Response(self._desk.publisher.templates.file(f"web/{name}").read_text("utf-8"), media_type=ASSETS[name])

    def _reader(self, look: Snapshot, ref: str) -> dict[str, Any] | None:
        if not ref:
            return None
        with session_scope(look.publisher.engine, read_only=True) as session:
            person = readers.by_ref(session, ref)
            if person is None:
                raise HTTPException(404)
            reason = readers.reason_against(session, person, look.issue.number, self._clock.now())
        return _reader_facts(look.publisher, person, reason)

    def _nothing(self, look: Snapshot, choice: Choice, person: Mapping[str, Any] | None) -> Response:
        followed = views.spoken_interests(look.publisher, choice.interests)
        who = person["address"] if person else f"A reader who follows {followed}"
        return show(
            self._desk,
            "preview_message",
            heading="No mail",
            message=f"{who} gets nothing of issue {look.issue.number}, because it has no article for them.",
            hint='With [editions] empty = "full", they would get the whole issue.',
            troubles=look.troubles,
        )


def _reader_facts(publisher: Publisher, person: Subscriber, reason: str | None) -> dict[str, Any]:
    return {
        "name": person.name,
        "address": person.address,
        "to": f"{' '.join(person.name.split())} <{person.address}>".strip(),
        "interests": views.spoken_interests(publisher, person.interests),
        "language": views.language_name(person.language),
        "format": person.format,
        "frequency": "every issue" if person.frequency == Frequency.EVERY else f"every {person.frequency} issue",
        "reason": reason,
    }


def _choice(
    look: Snapshot, language: str, interests: list[str] | None, frequency: Frequency, *, whole: bool, reader: str = ""
) -> Choice:
    chosen, settings = views.interests_of(interests or [], look.publisher), look.publisher.settings
    language = settings.require_language(language or settings.publication.language)
    return Choice(language, chosen, whole, reader, frequency.value)


def _edition(look: Snapshot, choice: Choice) -> BuiltEdition | None:
    return look.whole(choice.language) if choice.whole else look.edition_for(choice.group)


def filled(look: Snapshot, edition: BuiltEdition, choice: Choice, root: str = "") -> tuple[str, str]:
    """Return HTML and text with the values for a choice; personal links lead to pages that explain them."""
    values = {slot: f"{root}/slot/{name}" for name, (slot, _) in SLOT_PAGES.items()}
    values[Slot.TEST_MARK] = ""
    values[Slot.INTERESTS] = views.spoken_interests(look.publisher, choice.interests, choice.language)
    rendered = edition.rendered
    html = fill(rendered.html, rendered.nonce, values, SlotContext.HTML)
    return html, fill(rendered.text, rendered.nonce, values, SlotContext.PLAIN)


def framed(html: str, status: int = 200) -> Response:
    """Return a frame's response."""
    headers = {"Content-Security-Policy": FRAME_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(html, status, headers=headers)


def show(desk: Desk, name: str, *, status: int = 200, publisher: Publisher | None = None, **values: Any) -> Response:
    """Return a page of the preview, by the templates of `publisher` instead of the desk's if it is given."""
    templates, values = (publisher or desk.publisher).templates, {"root": desk.root, "follows": desk.follows, **values}
    page = templates.render(f"web/{name}.html.j2", views.DESK_LANGUAGE, values)
    return HTMLResponse(page, status_code=status)


def explain(desk: Desk, path: str, error: Exception) -> Response:
    """Return an error as a page of the preview, or as a bare frame."""
    if isinstance(error, DigestError):
        status = 404 if isinstance(error, NotFoundError) else 400 if isinstance(error, UsageError) else 500
        message, hint = error.message, error.hint
    elif isinstance(error, AnyHTTPException):
        status, message, hint = error.status_code, HTTPStatus(error.status_code).phrase, ""
    else:
        status, message, hint = 400, "The address contains a part that the preview does not recognize.", ""
    if path.startswith(f"{desk.root}/frame"):
        return framed(plain_page(f"{message}\n\n{hint}", views.DESK_LANGUAGE, message), status)
    heading = "Not found" if status == 404 else "This cannot be shown"
    troubles = desk.troubles()
    page = partial(
        show, desk, "preview_message", status=status, heading=heading, message=message, hint=hint, troubles=troubles
    )
    try:
        return page()
    except ContentError:  # the workspace's own template, which may be the reason why we are here
        return page(publisher=replace(desk.publisher, templates=Templates()))
