"""Rendering of the desk's pages in their common frame: navigation by role, language, messages of errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from digest.accounts.models import Role
from digest.app import App
from digest.issues import store as issues
from digest.issues.models import Issue
from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.runtime.errors import ContentError, DigestError, NotFoundError, RefusedError, UsageError
from digest.web.desk.access import LANGUAGES, ROOT, Access, Visitor
from digest.web.desk.finding_words import finding_words
from digest.web.desk.frames import plain_page
from digest.web.desk.state import Desk
from digest.web.public.pages import own_name, publication_in

# A frame's own: no script, no form, no third party; its origin is opaque anyway (sandbox).
FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src 'self'; frame-ancestors 'self'"
)
_STATUS = ((NotFoundError, 404), (UsageError, 400), (RefusedError, 409))


@dataclass(frozen=True, slots=True)
class DeskPages:
    """The frame of the desk's pages, or of a preview, which has no `access`.

    `open_to` says which roles open a path; the navigation shows what the visitor may open.
    """

    desk: Desk
    access: Access | None = None
    open_to: dict[str, frozenset[Role]] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The path of the desk for browsers; empty in a preview without one."""
        return f"{self.access.prefix}{ROOT}" if self.access else ""

    @property
    def app(self) -> App:
        """The workspace as now configured: an act must be by what the page showed."""
        assert self.access is not None  # noqa: S101 - only a preview has none, and it has no acts
        app, publisher = self.access.app, self.desk.publisher
        return app if publisher.settings is app.settings else App(publisher.settings, app.engine, app.clock)

    def show(
        self,
        visitor: Visitor | None,
        name: str,
        *,
        status: int = 200,
        publisher: Publisher | None = None,
        language: str = "",
        **values: Any,
    ) -> Response:
        """Return a page; `publisher` renders it instead of the desk's, which a broken template may stop."""
        publisher = publisher or self.desk.publisher
        frame = self.frame(visitor, publisher, language)
        page = publisher.templates.render(f"web/{name}.html.j2", frame["language"], frame | values)
        return HTMLResponse(page, status)

    def frame(self, visitor: Visitor | None, publisher: Publisher, language: str = "") -> dict[str, Any]:
        """Return the values of the frame around a page."""
        language = language or (visitor.language if visitor else LANGUAGES[0])
        return {
            "root": self.root,
            "desk_root": self.root,
            "media": self.desk.media,
            "follows": self.desk.follows,
            "stream": f"{self.desk.root}/changes",
            "language": language,
            "desk_languages": [(code, own_name(code)) for code in LANGUAGES],
            "publication": publication_in(publisher.settings, language),
            "visitor": visitor,
            "open_to": {path for path, roles in self.open_to.items() if visitor and visitor.may(roles)},
            "about_findings": finding_words(publisher.templates.translate(language)),
            "form_token": self.access.form_token(visitor) if self.access and visitor else "",
        }

    def back(self, path: str, /, **query: str) -> Response:
        """Return the redirection to a page after a POST; `done` names what was done, for its message."""
        return RedirectResponse(f"{self.root}{path}{'?' if query else ''}{urlencode(query)}", HTTPStatus.SEE_OTHER)

    def issue(self, session: Session, number: int | None = None, *, lock: bool = False) -> Issue:
        """Return an issue by number, or the one that the desk is about. Raises NotFoundError."""
        return issues.find(session, self.desk.number if number is None else number, lock=lock)

    def explain(self, visitor: Visitor | None, error: Exception, path: str) -> Response:
        """Return an error as a page, or as a bare frame."""
        if isinstance(error, DigestError):
            status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
            values: Mapping[str, Any] = {"message": error.message, "hint": error.hint}
        else:
            status = error.status_code if isinstance(error, HTTPException) else 400
            values = {"message": "", "hint": ""}
        if path.startswith(f"{self.desk.root}/frame"):
            message = values["message"] or HTTPStatus(status).phrase
            return framed(plain_page(f"{message}\n\n{values['hint']}", LANGUAGES[0], message), status)
        is_closed = visitor is None and self.access is not None and self.access.on_loopback
        values = {**values, "code": status, "troubles": self.desk.troubles(), "is_closed": is_closed}
        render: Callable[..., Response] = self.show
        try:
            return render(visitor, "desk_problem", status=status, **values)
        except ContentError:  # the workspace's own template, which may be the reason why we are here
            publisher = replace(self.desk.publisher, templates=Templates())
            return render(visitor, "desk_problem", status=status, publisher=publisher, **values)


def framed(html: str, status: int = 200) -> Response:
    """Return a frame's response."""
    headers = {"Content-Security-Policy": FRAME_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HTMLResponse(html, status, headers=headers)
