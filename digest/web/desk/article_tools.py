"""What the editor asks while somebody types: the article as in a mail, unsaved text, pasted text, pictures."""

from datetime import date
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from digest.articles import editing, store, unsaved
from digest.articles.pasted import MAX_HTML, markdown_of
from digest.publish import edit_articles
from digest.render.slots import Slot, SlotContext, fill
from digest.runtime.db import session_scope
from digest.runtime.errors import ContentError, DigestError, NotFoundError
from digest.web.desk.access import EDITORS, MAKERS, DeskForm, DeskRoute, Visiting
from digest.web.desk.article_form import values_from
from digest.web.desk.articles import FORM_BYTES
from digest.web.desk.frames import Scheme, frame_html, plain_page
from digest.web.desk.pages import DeskPages, framed


class ArticleTools:
    """Handlers without a page of their own."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def preview(self, visitor: Visiting, form: DeskForm) -> Response:
        """Return the article of a form as a mail shows it, for a frame; or what stands against that."""
        publisher = self._pages.desk.publisher
        slug, scheme = form.one("slug_opened"), Scheme(form.one("scheme") or "light")
        try:
            with session_scope(publisher.engine, read_only=True) as session:
                article = store.find(session, slug) if slug else None
                checked = edit_articles.check_article(publisher, session, values_from(form), article)
                try:
                    issue = self._pages.issue(session)
                    number, day = issue.number, issue.date
                except NotFoundError:
                    number, day = 1, date(2000, 1, 1)
            if checked.draft is None:
                return framed(plain_page("\n".join(_said(checked)), visitor.language, "–"))
            rendered = edit_articles.render_article(publisher, checked.draft, number, day)
        except DigestError as error:
            return framed(plain_page(f"{error.message}\n\n{error.hint}", "en", error.message))
        values = dict.fromkeys(Slot, "#") | {Slot.TEST_MARK: "", Slot.INTERESTS: ""}
        html = fill(rendered.html, rendered.nonce, values, SlotContext.HTML)
        html = frame_html(html, scheme, publisher.settings.publication.base_url, self._pages.desk.media)
        return framed(html)

    def keep(self, visitor: Visiting, form: DeskForm) -> Response:
        """Keep what was typed so far."""
        app, slug = self._pages.app, form.one("slug_opened")[:120]
        now = app.clock.now()
        with session_scope(app.engine) as session:
            base = form.one("base")[:64]
            unsaved.keep(session, visitor.actor.who, slug, values_from(form), base=base, now=now)
        local = now.astimezone(app.settings.publication.zone)
        return JSONResponse({"kept": f"{local:%H:%M}"})

    def discard(self, visitor: Visiting, form: DeskForm) -> Response:
        """Forget what was typed and not saved."""
        slug = form.one("slug_opened")[:120]
        with session_scope(self._pages.app.engine) as session:
            unsaved.discard(session, visitor.actor.who, slug)
        return self._pages.back(f"/articles/{slug or 'new'}")

    def paste(self, form: DeskForm) -> Response:
        """Return pasted HTML as Markdown; pictures that come with it are stored."""
        app = self._pages.app
        try:
            text = markdown_of(form.one("html"))
            markdown, lost = text.markdown, text.lost
            with session_scope(app.engine) as session:
                for name, content in text.pictures.items():
                    try:
                        src = editing.keep_upload(session, content, name, app.clock.now())
                    except ContentError:
                        lost += 1
                        src = ""
                    markdown = markdown.replace(f"]({name})", f"]({src})") if src else _without(markdown, name)
        except DigestError as error:
            return _refused(error)
        return JSONResponse({"markdown": markdown, "lost": lost})

    def upload(self, form: DeskForm) -> Response:
        """Store a picture; return the path that an article names it by, and where the desk shows it."""
        app, files = self._pages.app, form.files("upload")
        try:
            with session_scope(app.engine) as session:
                paths = [editing.keep_upload(session, one.content, one.name[:100], app.clock.now()) for one in files]
        except DigestError as error:
            return _refused(error)
        return JSONResponse({"paths": paths})


def _said(checked: editing.CheckedArticle) -> list[str]:
    return [f"{one.message} {one.hint}".strip() for one in checked.problems if not one.is_note]


def _without(markdown: str, name: str) -> str:
    return "\n".join(line for line in markdown.split("\n") if not line.endswith(f"]({name})"))


def _refused(error: DigestError) -> Response:
    values: dict[str, Any] = {"problem": error.message, "hint": error.hint}
    return JSONResponse(values, HTTPStatus.UNPROCESSABLE_ENTITY)


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the routes of the editor's tools."""
    own = ArticleTools(pages)
    return [
        DeskRoute("POST", "/articles/tools/preview", own.preview, MAKERS, FORM_BYTES),
        DeskRoute("POST", "/articles/tools/keep", own.keep, EDITORS, FORM_BYTES),
        DeskRoute("POST", "/articles/tools/discard", own.discard, EDITORS),
        DeskRoute("POST", "/articles/tools/paste", own.paste, EDITORS, 2 * MAX_HTML),
        DeskRoute("POST", "/articles/tools/upload", own.upload, EDITORS, FORM_BYTES),
    ]
