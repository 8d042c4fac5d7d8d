"""Routes of the editors' preview: an issue as each group of subscribers gets it. GET only, loopback only."""

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from starlette.responses import RedirectResponse, Response, StreamingResponse

from digest.publish.build import BuiltEdition
from digest.publish.edition_filter import EditionFilter
from digest.publish.publisher import Publisher
from digest.render.slots import Slot, SlotContext, fill
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.settings.publication import pick
from digest.web.desk import preview_views as views
from digest.web.desk import reader_lookup as readers
from digest.web.desk.access import ReadingLanguage, Visitor, Watching
from digest.web.desk.assets import asset_page
from digest.web.desk.edition_comparison import compared, overlap
from digest.web.desk.edition_list import edition_list, places_of
from digest.web.desk.file_changes import events
from digest.web.desk.frames import Scheme, frame_html, plain_page
from digest.web.desk.inbox_line import inbox_lines
from digest.web.desk.mail_clients import MailClient, left_by
from digest.web.desk.pages import DeskPages, framed
from digest.web.desk.reader_summary import summary_of
from digest.web.desk.state import Desk, Focus, Snapshot
from digest.web.desk.view_query import Choice, Options, SchemeChoice, View, Width, frame_rows, tools
from subscribers.models import Frequency, Subscriber

METHODS = ["GET", "HEAD"]
SLOT_PAGES = {
    "preferences": Slot.PREFERENCES_URL,
    "unsubscribe": Slot.UNSUBSCRIBE_URL,
    "view": Slot.VIEW_URL,
    "action": Slot.ACTION_URL,
}


def build_router(desk: Desk, clock: Clock, closing: threading.Event) -> APIRouter:
    """Return the routes of a preview without a desk."""
    router = APIRouter()
    paths = {**routes(DeskPages(desk), clock, closing), "/assets/{name}": asset_page(desk)}
    for path, page in paths.items():
        router.add_api_route(path, page, methods=METHODS, include_in_schema=False, response_model=None)
    return router


def routes(frame: DeskPages, clock: Clock, closing: threading.Event) -> dict[str, Callable[..., Any]]:
    """Return the pages, frames and the stream of file changes by their paths."""
    pages = PreviewPages(frame, clock, closing)
    return {
        "/": pages.overview,
        "/edition": pages.edition,
        "/reader": pages.find_reader,
        "/reader/{ref}": pages.as_reader,
        "/frame": pages.frame,
        "/slot/{name}": pages.slot,
        "/changes": pages.changes,
    }


class PreviewPages:
    """Handlers of the preview; each request uses a new snapshot."""

    def __init__(self, pages: DeskPages, clock: Clock, closing: threading.Event) -> None:
        self._pages, self._desk, self._clock, self._closing = pages, pages.desk, clock, closing

    def overview(
        self,
        visitor: Watching,
        reading: ReadingLanguage,
        *,
        language: str = "",
        interest: str = "",
        article: str = "",
        page: int = 1,
        a: str = "",
        b: str = "",
    ) -> Response:
        """Page with the editions that have all that is named, the matrix and the findings; `a` and `b` are compared."""
        look = self._desk.look()
        settings = look.publisher.settings
        places = places_of(look, EditionFilter.chosen(look.publisher, look.made, language, interest, article))
        findings, more_findings = views.grouped_findings(look, reading)
        query = {"language": language, "interest": interest, "article": article}
        with session_scope(look.publisher.engine, read_only=True) as session:
            carried = overlap(session, look.made.content)
        return self._show(
            visitor,
            reading,
            "preview",
            issue=views.desk_facts(look, reading),
            troubles=look.troubles,
            list=edition_list(look, places, query, page, reading),
            wholes=views.archive_cards(look, reading),
            columns=views.matrix_columns(look, places, reading),
            rows=views.matrix_rows(look, places, reading),
            findings=findings,
            more_findings=more_findings,
            summary=summary_of(look, reading),
            overlap=carried,
            compared=compared(look, a[:40], b[:40]),
            interests=[
                {"slug": interest.slug, "title": pick(interest.title, reading)} for interest in settings.interest
            ],
            languages=[(code, views.language_name(code, reading)) for code in settings.languages],
        )

    def edition(
        self,
        visitor: Watching,
        reading: ReadingLanguage,
        *,
        language: str = "",
        interests: Annotated[list[str] | None, Query()] = None,
        frequency: Frequency = Frequency.EVERY,
        whole: bool = False,
        reader: str = "",
        view: View = "html",
        width: Width = "both",
        scheme: SchemeChoice = "both",
        client: MailClient = MailClient.SENT,
    ) -> Response:
        """Page with one edition in its frames, in general or for a given subscriber."""
        look = self._desk.look()
        choice = _choice(look.publisher, language, interests, frequency, whole=whole, reader=reader)
        options = Options(view, width, scheme, client)
        person = self._reader(look, reader, reading)
        edition = _edition(look, choice)
        if edition is None:
            return self._nothing(visitor, reading, look, choice, person)
        facts = views.edition_facts(look, edition, choice, reading)
        translate = look.publisher.templates.translate(reading)
        return self._show(
            visitor,
            reading,
            "preview_edition",
            issue=views.desk_facts(look, reading),
            troubles=look.troubles,
            edition=facts,
            editions=views.cards_near(look, None if whole else edition, reading),
            total=len(look.made.editions),
            options={
                "query": options.query,
                "tools": tools(choice, options, translate),
                "client": client,
                "view": view,
            },
            frames=frame_rows(choice, options, facts["heading"], translate),
            inbox=inbox_lines(facts["subject"], facts["preheader"]) if view == "inbox" else [],
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
        client: MailClient = MailClient.SENT,
    ) -> Response:
        """Frame with one edition: HTML in a colour scheme or as a mail app leaves it, plain text, or source."""
        del reader  # only makes the frame's address unique
        publisher = self._desk.current()
        choice = _choice(publisher, language, interests, frequency, whole=whole)
        edition = self._desk.one_edition(lambda one: _edition(one, choice))
        if edition is None:
            raise HTTPException(404)
        base_url = publisher.settings.publication.base_url
        html, text = filled(publisher, edition, choice, self._desk.root)
        title = edition.rendered.subject
        if view == "html":
            return framed(frame_html(left_by(client, html), scheme, base_url, self._desk.media))
        return framed(plain_page(text if view == "text" else html, edition.selection.language, title))

    def find_reader(self, visitor: Watching, reading: ReadingLanguage, address: str = "") -> Response:
        """Page with the subscribers whose address contains a text; redirects to a single or exact match."""
        look = self._desk.look()
        with session_scope(look.publisher.engine, read_only=True) as session:
            found = readers.search(session, address)
        exact = [person for person in found if person.address.casefold() == address.strip().casefold()]
        if len(found) == 1 or exact:
            return RedirectResponse(f"{self._desk.root}/reader/{(exact or found)[0].ref}", status_code=303)
        return self._show(
            visitor,
            reading,
            "preview_reader",
            troubles=look.troubles,
            address=address.strip(),
            found=found[: readers.MOST],
            more=len(found) > readers.MOST,
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

    def slot(
        self, visitor: Watching, reading: ReadingLanguage, name: Literal["preferences", "unsubscribe", "view", "action"]
    ) -> Response:
        """Page that replaces the target of a personal link, so that no click changes a subscription."""
        return self._show(visitor, reading, "preview_message", slot=name, troubles=())

    async def changes(self) -> Response:
        """Stream of file changes as Server-Sent Events."""
        if not self._desk.follows:
            return Response(status_code=HTTPStatus.NO_CONTENT)  # an EventSource asks no more
        stream = events(self._desk.publisher.settings.workspace, self._closing)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def _show(self, visitor: Visitor | None, reading: str, name: str, **values: Any) -> Response:
        return self._pages.show(visitor, name, language=reading, root=self._desk.root, **values)

    def _reader(self, look: Snapshot, ref: str, reading: str) -> dict[str, Any] | None:
        if not ref:
            return None
        with session_scope(look.publisher.engine, read_only=True) as session:
            person = readers.by_ref(session, ref)
            if person is None:
                raise HTTPException(404)
            reason = readers.reason_against(session, person, look.issue, self._clock.now())
        return _reader_facts(look.publisher, person, reason, reading)

    def _nothing(
        self, visitor: Visitor | None, reading: str, look: Snapshot, choice: Choice, person: Mapping[str, Any] | None
    ) -> Response:
        return self._show(
            visitor,
            reading,
            "preview_message",
            slot="",
            person=person,
            followed=views.spoken_interests(look.publisher, choice.interests, reading),
            number=look.issue.number,
            troubles=look.troubles,
        )


def _reader_facts(publisher: Publisher, person: Subscriber, reason: str | None, reading: str) -> dict[str, Any]:
    return {
        "name": person.name,
        "address": person.address,
        "to": f"{' '.join(person.name.split())} <{person.address}>".strip(),
        "interests": views.spoken_interests(publisher, person.interests, reading),
        "language": views.language_name(person.language, reading),
        "format": person.format,
        "frequency": views.often_in_words(person.frequency, publisher.templates.translate(reading)),
        "reason": reason,
    }


def _choice(
    publisher: Publisher,
    language: str,
    interests: list[str] | None,
    frequency: Frequency,
    *,
    whole: bool,
    reader: str = "",
) -> Choice:
    chosen, settings = views.interests_of(interests or [], publisher), publisher.settings
    language = settings.require_language(language or settings.publication.language)
    return Choice(language, chosen, whole, reader, frequency.value)


def _edition(look: Focus | Snapshot, choice: Choice) -> BuiltEdition | None:
    return look.whole(choice.language) if choice.whole else look.edition_for(choice.group)


def filled(publisher: Publisher, edition: BuiltEdition, choice: Choice, root: str = "") -> tuple[str, str]:
    """Return HTML and text with the values for a choice; personal links lead to pages that explain them."""
    values = {slot: f"{root}/slot/{name}" for name, slot in SLOT_PAGES.items()}
    values[Slot.TEST_MARK] = ""
    values[Slot.INTERESTS] = views.spoken_interests(publisher, choice.interests, choice.language)
    rendered = edition.rendered
    html = fill(rendered.html, rendered.nonce, values, SlotContext.HTML)
    return html, fill(rendered.text, rendered.nonce, values, SlotContext.PLAIN)
