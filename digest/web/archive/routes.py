"""Routes of the archive: the list, whole issues, and editions by the view links of mails."""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Header, HTTPException, Query
from sqlmodel import Session, select
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from digest.editions import store as edition_store
from digest.editions.models import Edition
from digest.issues.lifecycle import PUBLISHED, IssueState
from digest.issues.models import Issue
from digest.publish import archive
from digest.publish.publisher import Publisher
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.runtime.keys import MAX_KEY
from digest.web.archive.pages import issue_html, issue_text, list_values, view_html
from digest.web.archive.paging import at
from digest.web.http.headers import OPEN, mail_policy
from digest.web.public.languages import choose
from digest.web.public.pages import Page, show
from subscribers.errors import LinkInvalidError
from subscribers.links import LinkSigner, Purpose

METHODS = ["GET", "HEAD"]
PAGE = 24  # issues in a page of the list: two years of a monthly one
Form = Annotated[Literal["html", "text"], Query(alias="format")]
Accept = Annotated[str, Header(alias="Accept-Language")]


def build_router(publisher: Publisher, signer: LinkSigner, clock: Clock) -> APIRouter:
    """Return the routes `/archive`, `/archive/{number}` and `/view/{token}`. Nothing personal is ever shown."""
    router = APIRouter()
    languages, default = publisher.settings.languages, publisher.settings.publication.language

    @router.api_route("/archive", methods=METHODS, include_in_schema=False)
    def listing(lang: str = "", page: str = "1", accept_language: Accept = "") -> Response:
        shown = Page(publisher, choose(lang, accept_language, languages), "/archive")
        with session_scope(publisher.engine, read_only=True) as session:
            part = at(archive.shown_issues(session), page, PAGE)
            values = list_values(shown, session, part.rows)
        return show(shown, "archive", headers=OPEN, **values, part=part, still=False)

    @router.api_route("/archive/{number}", methods=METHODS, include_in_schema=False)
    def issue(number: str, lang: str = "", form: Form = "html", accept_language: Accept = "") -> Response:
        page = Page(publisher, choose(lang, accept_language, languages), f"/archive/{number}")
        with session_scope(publisher.engine, read_only=True) as session:
            issues = archive.shown_issues(session)
            found = next((issue for issue in issues if issue.number == _number(number)), None)
            if found is None:
                return _absent(session, page, _number(number))
            edition = session.get_one(Edition, found.edition(page.language, default).id)
            document = edition_store.document(session, edition)
            if form == "text":
                text = issue_text(publisher, found, document, page.language)
                return PlainTextResponse(text, headers={**OPEN, **_VARY})
            return _framed(page, issue_html(page, session, found, document, issues), {**OPEN, **_VARY})

    @router.api_route("/view/{token}", methods=METHODS, include_in_schema=False)
    def view(token: str, form: Form = "html") -> Response:
        try:
            payload = signer.read(Purpose.VIEW, token, clock.now())
        except LinkInvalidError as error:
            raise HTTPException(404) from error
        with session_scope(publisher.engine, read_only=True) as session:
            edition = edition_store.by_hash(session, payload.ref)
            found = session.get(Issue, edition.issue_id) if edition else None
            document = edition_store.document(session, edition) if edition else None
        if edition is None or found is None or document is None:
            raise HTTPException(404)
        if found.state == IssueState.WITHDRAWN:
            raise HTTPException(410)
        page = Page(publisher, edition.language, "")
        if form == "text":
            return PlainTextResponse(issue_text(publisher, found, document, page.language))
        return _framed(page, view_html(page, found, document), {})

    return router


_VARY = {"Vary": "Accept-Language"}


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text, re.ASCII) or int(text) > MAX_KEY:
        raise HTTPException(404)
    return int(text)


def _absent(session: Session, page: Page, number: int) -> Response:
    """Answer for an issue that is not in the archive, without revealing drafts."""
    issue = session.exec(select(Issue).where(Issue.number == number)).first()
    if issue is not None and issue.state == IssueState.WITHDRAWN:
        raise HTTPException(410)
    if issue is None or issue.state not in PUBLISHED:
        raise HTTPException(404)
    # Mails link here, so the page confirms that the link was right.
    return show(Page(page.publisher, page.language, "/archive"), "problem", status=404, kept_out=True)


def _framed(page: Page, html: str, headers: dict[str, str]) -> Response:
    policy = mail_policy(page.publisher.settings.publication.base_url)
    return HTMLResponse(html, headers={"Content-Security-Policy": policy, **headers})
