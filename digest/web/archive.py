"""Issues on the web as they went out: the list, whole issues, and the one edition that a mail's view link names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, HTTPException, Query
from sqlmodel import Session, col, select
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from digest.editions import store as edition_store
from digest.editions.models import Edition
from digest.issues.lifecycle import PUBLISHED, IssueState
from digest.issues.models import Issue
from digest.pipeline import Press
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.web.headers import mail_policy
from digest.web.languages import choose
from digest.web.neutral import Neutral, neutral_html, neutral_text
from digest.web.pages import Page, show, style
from subscribers.errors import LinkInvalidError
from subscribers.links import LinkSigner, Purpose

METHODS = ["GET", "HEAD"]
# A larger number is no issue of ours, and no integer of PostgreSQL either.
MAX_NUMBER = 2**31 - 1
Form = Annotated[Literal["html", "text"], Query(alias="format")]
Accept = Annotated[str, Header(alias="Accept-Language")]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list: the subject as it was mailed, in `language`."""

    number: int
    date: date
    subject: str
    language: str


def build_router(press: Press, signer: LinkSigner, clock: Clock) -> APIRouter:
    """Return the routes `/archive`, `/archive/{number}` and `/view/{token}`. Nothing personal is ever shown."""
    router = APIRouter()
    languages = press.settings.languages

    @router.api_route("/archive", methods=METHODS, include_in_schema=False)
    def listing(lang: str = "", accept_language: Accept = "") -> Response:
        page = Page(press, choose(lang, accept_language, languages), "/archive")
        with session_scope(press.engine, read_only=True) as session:
            entries = published(session, page.language, press.settings.publication.language)
        return show(page, "archive", entries=entries)

    @router.api_route("/archive/{number}", methods=METHODS, include_in_schema=False)
    def issue(number: str, lang: str = "", form: Form = "html", accept_language: Accept = "") -> Response:
        page = Page(press, choose(lang, accept_language, languages), f"/archive/{number}")
        with session_scope(press.engine, read_only=True) as session:
            found, edition = _whole(session, _number(number), page.language, press.settings.publication.language)
            numbers = _published_numbers(session)
        return _shown(page, found, edition, form, whole=True, numbers=numbers)

    @router.api_route("/view/{token}", methods=METHODS, include_in_schema=False)
    def view(token: str, form: Form = "html") -> Response:
        try:
            payload = signer.read(Purpose.VIEW, token, clock.now())
        except LinkInvalidError as error:
            raise HTTPException(404) from error
        with session_scope(press.engine, read_only=True) as session:
            edition = edition_store.by_hash(session, payload.ref)
            found = session.get(Issue, edition.issue_id) if edition else None
        if edition is None or found is None:
            raise HTTPException(404)
        if found.state == IssueState.WITHDRAWN:
            raise HTTPException(410)
        page = Page(press, edition.language, "")
        return _shown(page, found, edition, form, whole=False, numbers=())

    return router


def published(session: Session, language: str, default: str) -> list[Entry]:
    """Return the published issues, newest first, each with its subject in `language` if it was mailed in that."""
    issues = session.exec(select(Issue).where(col(Issue.state).in_(PUBLISHED)).order_by(col(Issue.number).desc())).all()
    rows = session.exec(
        select(Edition.issue_id, Edition.language, Edition.subject)
        .where(col(Edition.issue_id).in_([issue.id for issue in issues]), col(Edition.archive).is_(True))
        .order_by(col(Edition.id))
    ).all()
    subjects: dict[int, dict[str, str]] = {}
    for issue_id, code, subject in rows:
        subjects.setdefault(issue_id, {})[code] = subject
    entries = []
    for issue in issues:
        by_language = subjects.get(issue.id or 0, {})
        found = [code for code in (language, default, *by_language) if code in by_language]
        if found:
            entries.append(Entry(issue.number, issue.date, by_language[found[0]], found[0]))
    return entries


def _published_numbers(session: Session) -> Sequence[int]:
    query = select(Issue.number).where(col(Issue.state).in_(PUBLISHED)).order_by(col(Issue.number))
    return session.exec(query).all()


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text, re.ASCII) or int(text) > MAX_NUMBER:
        raise HTTPException(404)
    return int(text)


def _whole(session: Session, number: int, language: str, default: str) -> tuple[Issue, Edition]:
    issue = session.exec(select(Issue).where(Issue.number == number)).first()
    if issue is not None and issue.state == IssueState.WITHDRAWN:
        raise HTTPException(410)
    if issue is None or issue.id is None or issue.state not in PUBLISHED:
        raise HTTPException(404)  # a draft is nobody's business, not even that there is one
    by_language = {edition.language: edition for edition in edition_store.of_issue(session, issue.id, archive=True)}
    for code in (language, default, *by_language):
        if code in by_language:
            return issue, by_language[code]
    raise HTTPException(404)


def _shown(page: Page, issue: Issue, edition: Edition, form: str, *, whole: bool, numbers: Sequence[int]) -> Response:
    base_url = page.press.settings.publication.base_url
    translate = page.press.templates.translate(page.language)
    whole_url = f"{base_url}/archive/{issue.number}"
    neutral = Neutral(f"{base_url}/subscribe", translate("Subscribe"), whole_url)
    if form == "text":
        return PlainTextResponse(neutral_text(edition.text, edition.nonce, neutral))
    earlier = max((number for number in numbers if number < issue.number), default=None)
    later = min((number for number in numbers if number > issue.number), default=None)
    bar = page.render("archive_issue", number=issue.number, whole=whole, earlier=earlier, later=later)
    html = neutral_html(edition.html, edition.nonce, neutral)
    # In a mail a picture's address must be whole; here it is the server's that shows the page, under whatever name.
    html = html.replace(f'"{base_url}/media/', f'"{urlsplit(base_url).path}/media/')
    html = framed(html, bar, style(page.press, "archive_issue.css"))
    return HTMLResponse(html, headers={"Content-Security-Policy": mail_policy(base_url)})


def framed(html: str, bar: str, css: str) -> str:
    """Return a mail's document with our navigation above it and the mail as the page's main part."""
    html = re.sub(r"</head>", lambda found: f"<style>{css}</style>{found[0]}", html, count=1, flags=re.IGNORECASE)
    html = re.sub(r"<body\b[^>]*>", lambda found: f"{found[0]}{bar}<main>", html, count=1, flags=re.IGNORECASE)
    before, closing, after = html.rpartition("</body>")
    return f"{before}</main>{closing}{after}" if closing else f"{html}</main>"
