"""Routes of the sink's web mailbox. GET changes nothing; loopback only."""

import hmac
import secrets
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Form, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from digest.render.loader import Templates
from digest.runtime.text import cut
from digest.sink.maildir import Mailbox, StoredMail
from digest.web.desk.frames import plain_page
from digest.web.http.headers import Headers, sink_headers
from digest.web.http.hosts import LoopbackOnly
from digest.web.http.trailing_slash import bare_app
from digest.web.sink.mail import MAX_READ_BYTES, framed_html, parse

PAGE = 50
LISTED = 160  # characters of a subject in the list
METHODS = ["GET", "HEAD"]
# Untrusted content: no scripts or forms, no requests but for the workspace's pictures, and an opaque origin.
FRAME_HEADERS = {
    "Content-Security-Policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "X-DNS-Prefetch-Control": "off",
}
ASSETS = ("desk.css", "sink.css")
VIEWS = {"html": "HTML", "text": "Plain text", "headers": "Headers", "source": "Source"}
View = Literal["html", "text", "headers", "source"]


def sink_app(mailbox: Mailbox, relay: str, pictures: ASGIApp | None = None) -> FastAPI:
    """Return the app that shows `mailbox`; `relay` is the sink's address, as for `digest send --relay`.

    `pictures` answers for `/media/{name}`.
    """
    app = bare_app()
    if pictures is not None:
        app.router.routes.append(Route("/media/{name}", pictures))
    pages = SinkPages(mailbox, relay)
    app.include_router(_router(pages))
    app.add_middleware(Headers, headers=sink_headers())
    app.add_middleware(LoopbackOnly)
    for kind in (AnyHTTPException, RequestValidationError):
        app.add_exception_handler(kind, pages.explain)
    return app


def _router(pages: "SinkPages") -> APIRouter:
    router = APIRouter()
    routes: dict[str, Callable[..., Any]] = {
        "/": pages.overview,
        "/mail/{key}": pages.mail,
        "/mail/{key}/frame": pages.frame,
        "/mail/{key}/file.eml": pages.file,
        "/api/mails": pages.listing,
        "/assets/{name}": pages.asset,
    }
    for path, page in routes.items():
        router.add_api_route(path, page, methods=METHODS, include_in_schema=False, response_model=None)
    router.add_api_route("/delete", pages.delete, methods=["POST"], include_in_schema=False, response_model=None)
    # Not for other sites' pages: browsers need a CORS preflight, which is not answered.
    router.add_api_route("/api/mails", pages.clear, methods=["DELETE"], include_in_schema=False, response_model=None)
    return router


class SinkPages:
    """Handlers of the mailbox; each request reads the Maildir again."""

    def __init__(self, mailbox: Mailbox, relay: str) -> None:
        self._mailbox, self._relay, self._templates = mailbox, relay, Templates()
        # CSRF token of the button that deletes.
        self._token = secrets.token_urlsafe(16)

    def overview(
        self, to: str = "", page: Annotated[int, Query(ge=1, le=1_000_000)] = 1, every: bool = False
    ) -> Response:
        """List of mails, newest first, 50 to a page; `every` reloads it automatically."""
        found = self._mailbox.mails(to)
        pages = max(1, -(-len(found) // PAGE))
        page = min(page, pages)
        return self._show(
            "sink",
            mails=[_short(_row(mail)) for mail in found[(page - 1) * PAGE : page * PAGE]],
            count=len(found),
            total=len(self._mailbox.mails()) if to.strip() else len(found),
            to=to.strip(),
            page=page,
            pages=pages,
            newer=_address(to, page - 1, every=every) if page > 1 else "",
            older=_address(to, page + 1, every=every) if page < pages else "",
            now=_address(to, page, every=every),
            other=_address(to, page, every=not every),
            every=every,
            token=self._token,
        )

    def mail(self, key: str, view: View | None = None) -> Response:
        """One mail with its head, in one view."""
        mail, content = self._read(key)
        parsed = parse(content)
        offered = {
            name: title
            for name, title in VIEWS.items()
            if (name != "html" or parsed.html is not None) and (name != "text" or parsed.text is not None)
        }
        chosen = view if view in offered else next(iter(offered))
        return self._show(
            "sink_mail",
            mail=_row(mail),
            trouble=parsed.trouble,
            parts=[{"type": part.type, "name": part.name, "size": spoken_size(part.size)} for part in parsed.parts],
            fields=parsed.fields,
            views=[(name, title, name == chosen) for name, title in offered.items()],
            view=chosen,
            raw_head=parsed.raw_head,
            shown={"text": parsed.text, "source": parsed.source}.get(chosen, ""),
        )

    def frame(self, key: str) -> Response:
        """Frame with a mail's HTML."""
        parsed = parse(self._read(key)[1])
        if parsed.html is None:
            raise HTTPException(404)
        return HTMLResponse(framed_html(parsed.html), headers=FRAME_HEADERS)

    def file(self, key: str) -> Response:
        """The file in the Maildir as a download."""
        mail, content = self._read(key, limit=-1)
        headers = {
            "Content-Disposition": f'attachment; filename="{mail.key}.eml"',
            "Content-Security-Policy": "sandbox",
        }
        return Response(content, media_type="message/rfc822", headers=headers)

    def listing(
        self, to: str = "", limit: Annotated[int | None, Query(ge=0)] = None, offset: Annotated[int, Query(ge=0)] = 0
    ) -> Response:
        """List of mails as JSON; `count` is the number of all matches."""
        found = self._mailbox.mails(to)
        chosen = found[offset:] if limit is None else found[offset : offset + limit]
        mails = [
            {
                "id": mail.key,
                "from": mail.sender,
                "to": list(mail.recipients),
                "subject": mail.subject,
                "message_id": mail.message_id,
                "size": mail.size,
                "received": mail.received.isoformat(),
            }
            for mail in chosen
        ]
        return JSONResponse({"count": len(found), "mails": mails})

    def delete(self, token: Annotated[str, Form(max_length=100)] = "") -> Response:
        """Delete all mails, by the button."""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise HTTPException(403)
        self._mailbox.delete_all()
        return RedirectResponse("/", status_code=303)

    def clear(self) -> Response:
        """Delete all mails, for scripts."""
        return JSONResponse({"deleted": self._mailbox.delete_all()})

    def asset(self, name: str) -> Response:
        """A style sheet."""
        if name not in ASSETS:
            raise HTTPException(404)
        return Response(self._templates.file(f"web/{name}").read_text("utf-8"), media_type="text/css")

    def explain(self, request: Request, error: Exception) -> Response:
        """Return an error as JSON for the API, as a bare page in a frame, else as a page."""
        status = error.status_code if isinstance(error, AnyHTTPException) else 400
        message = HTTPStatus(status).phrase
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": message}, status)
        if request.url.path.endswith("/frame"):
            return HTMLResponse(plain_page(message, "en", message), status, headers=FRAME_HEADERS)
        return self._show("sink_message", status=status, heading=message)

    def _read(self, key: str, limit: int = MAX_READ_BYTES) -> tuple[StoredMail, bytes]:
        mail = self._mailbox.find(key)
        if mail is None:
            raise HTTPException(404)
        try:
            with mail.path.open("rb") as file:
                return mail, file.read(limit)
        except OSError:  # a mail program has moved it meanwhile
            raise HTTPException(404) from None

    def _show(self, name: str, *, status: int = 200, **values: Any) -> Response:
        place = {"relay": self._relay, "maildir": str(Path(self._mailbox.path))}
        return HTMLResponse(self._templates.render(f"web/{name}.html.j2", "en", place | values), status)


def spoken_size(size: int) -> str:
    """Return a size in bytes for a person."""
    for unit, bytes_of_it in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= bytes_of_it:
            return f"{size / bytes_of_it:,.1f}\N{NO-BREAK SPACE}{unit}"
    return f"{size}\N{NO-BREAK SPACE}B"


def _row(mail: StoredMail) -> dict[str, Any]:
    local = mail.received.astimezone()
    return {
        "key": mail.key,
        "to": ", ".join(mail.recipients) or "nobody",
        "sender": mail.sender or "nobody",
        "subject": mail.subject or "(no subject)",
        "message_id": mail.message_id,
        "size": spoken_size(mail.size),
        "iso": local.isoformat(timespec="seconds"),
        "time": local.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: cut(row[name], LISTED) for name in ("to", "subject")}


def _address(to: str, page: int, *, every: bool) -> str:
    values = {"to": to.strip()} if to.strip() else {}
    values |= {"page": str(page)} if page > 1 else {}
    values |= {"every": "1"} if every else {}
    return f"/?{urlencode(values, errors='replace')}" if values else "/"
