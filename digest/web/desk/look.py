"""The look page: name, texts, logo, colours and fonts, with every component of mail and page as they would be."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from digest.accounts import audit
from digest.articles import store as articles
from digest.articles.media import MAX_BYTES
from digest.issues.lifecycle import IssueState
from digest.render.checks.theme import CONTRAST
from digest.render.logo import logo_pictures
from digest.render.slots import Slot, SlotContext, fill
from digest.render.specimen import with_pictures
from digest.runtime.db import session_scope
from digest.runtime.errors import ConfigError, ContentError, DigestError, NotFoundError
from digest.web.desk.access import EDITORS, OPERATORS, Access, DeskForm, DeskRoute, Visiting, Visitor
from digest.web.desk.frames import Scheme, force_scheme, plain_page
from digest.web.desk.pages import FRAME_POLICY, DeskPages, framed
from digest.web.desk.preview_views import language_name
from digest.web.public.pages import Page
from digest.web.public.stylesheet import page_style
from digest.workspace import look as looks
from digest.workspace.look import Look, LookChangedError, UnfitValue
from subscribers.pages.samples import sample

PATH = "/look"
_POLICY = FRAME_POLICY.replace("img-src 'self'", "img-src 'self' data:")
_SIZE = MAX_BYTES + 256 * 1024
_MOST_KEPT = 12
_UPLOADS = {"logo": "publication.logo.src", "logo_dark": "publication.logo.dark"}
_FRAMES = (("mail", Scheme.LIGHT, 600), ("mail", Scheme.DARK, 600), ("mail", Scheme.LIGHT, 375),
           ("mail", Scheme.DARK, 375), ("page", Scheme.LIGHT, 375), ("page", Scheme.DARK, 375))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Typed:
    """What a form says: the values typed, the problems with them, and what is on the disk instead."""

    values: Mapping[str, str]
    problems: tuple[UnfitValue, ...] = ()
    conflicts: Mapping[str, str] | None = None


class LookPages:
    """Handlers of the page and its frames."""

    def __init__(self, pages: DeskPages, access: Access) -> None:
        self._pages, self._access, self._app = pages, access, access.app
        self._lock = Lock()
        self._kept: dict[tuple[str, ...], str] = {}

    def page(self, visitor: Visiting, language: str = "", done: str = "") -> Response:
        """Show the look as it is."""
        return self._show(visitor, self._read(), _Typed({}), language, done=done)

    def attempt(self, visitor: Visiting, form: DeskForm) -> Response:
        """Show the look as typed; nothing is stored but an uploaded logo, by somebody who may save it."""
        look = self._read()
        typed = self._typed(visitor, look, form)
        found = typed.problems or tuple(looks.problems(look, typed.values, self._workspace, self._app.engine))
        return self._show(visitor, look, _Typed(typed.values, found), form.one("language"))

    def save(self, visitor: Visiting, form: DeskForm) -> Response:
        """Write what was changed, unless a value is unfit or the files are no longer those that the form showed."""
        look = self._read()
        typed = self._typed(visitor, look, form)
        if typed.problems:
            return self._show(visitor, look, typed, form.one("language"), status=HTTPStatus.BAD_REQUEST)
        try:
            names, found = looks.save(self._workspace, typed.values, form.one("stamp"), self._app.engine)
        except LookChangedError:
            conflicts = look.edited(typed.values)
            shown = _Typed(typed.values, conflicts={name: look.values[name] for name in conflicts})
            return self._show(visitor, look, shown, form.one("language"), status=HTTPStatus.CONFLICT)
        except DigestError as error:
            shown = _Typed(typed.values, (UnfitValue("", f"{error.message}. {error.hint}"),))
            return self._show(visitor, look, shown, form.one("language"), status=HTTPStatus.CONFLICT)
        if found:
            refused = _Typed(typed.values, tuple(found))
            return self._show(visitor, look, refused, form.one("language"), status=HTTPStatus.BAD_REQUEST)
        self._note(visitor, names)
        return self._pages.back(PATH, done="saved", language=form.one("language")[:35])

    def frame(
        self,
        request: Request,
        language: str = "",
        kind: Literal["mail", "page"] = "mail",
        scheme: Scheme = Scheme.LIGHT,
    ) -> Response:
        """Frame with a specimen of a mail or page; the query names the values that differ from the files."""
        try:
            look = self._read()
            edited = look.edited(request.query_params)
            unfit = {one.name for one in looks.malformed(look, edited)}
            fit = {name: text for name, text in edited.items() if name not in unfit}
            html = self._specimen(look, fit, language if language in look.languages else look.languages[0], kind)
        except (ConfigError, ContentError) as error:
            return framed(plain_page(f"{error.message}\n\n{error.hint}", "en", error.message), HTTPStatus.CONFLICT)
        answer = framed(force_scheme(html, scheme))
        answer.headers["Content-Security-Policy"] = _POLICY
        return answer

    @property
    def _workspace(self) -> Any:
        return self._app.settings.workspace

    def _read(self) -> Look:
        return looks.read_look(self._workspace)

    def _typed(self, visitor: Visitor, look: Look, form: DeskForm) -> _Typed:
        """Return the form's values with the name of an uploaded logo."""
        values = {name: form.one(name).replace("\r\n", "\n") for name in form.fields if name in look.values}
        found = []
        for field, name in _UPLOADS.items():
            for upload in form.files(field):
                try:
                    if visitor.may(OPERATORS):
                        values[name] = looks.keep_logo(self._workspace, upload.content, upload.name[:80])
                except DigestError as error:
                    found.append(UnfitValue(name, f"{error.message} {error.hint}"))
        if values.get("publication.logo.src") and not values.get("publication.logo.width"):
            values["publication.logo.width"] = look.values["publication.logo.width"] or "120"
        return _Typed(values, tuple(found))

    def _specimen(self, look: Look, typed: Mapping[str, str], language: str, kind: str) -> str:
        """Return a specimen's HTML; one look is rendered once for all its frames."""
        key = (look.stamp, kind, language, *(text for pair in sorted(typed.items()) for text in pair))
        with self._lock:
            if key not in self._kept:
                with looks.tried(look, typed, self._workspace, self._app.engine) as publisher:
                    made = _mail(publisher, language) if kind == "mail" else _page(publisher, language)
                for old in [*self._kept][: max(0, len(self._kept) - _MOST_KEPT + 1)]:
                    del self._kept[old]
                self._kept[key] = made
            return self._kept[key]

    def _note(self, visitor: Visitor, names: list[str]) -> None:
        """Store the logo's pictures, which other processes serve, and say in the log what was changed."""
        current, now = self._pages.desk.current(), self._app.clock.now()
        with session_scope(self._app.engine) as session:
            for picture in logo_pictures(current.settings):
                articles.keep_media(session, picture, now=now)
            if names:
                audit.record(session, visitor.actor, "change the look", ", ".join(names)[:200], now=now)

    def _show(
        self,
        visitor: Visitor,
        look: Look,
        typed: _Typed,
        language: str,
        *,
        done: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        language = next(code for code in (language, visitor.language, *look.languages) if code in look.languages)
        edited = {**look.values, **look.edited(typed.values)}
        changed = {name: text for name, text in edited.items() if look.values[name] != text}
        problems: dict[str, list[str]] = {}
        for one in typed.problems:
            problems.setdefault(one.name, []).append(one.message)
        frames = [
            {"kind": kind, "scheme": str(scheme), "width": width, "query": _query(language, kind, scheme, changed)}
            for kind, scheme, width in _FRAMES
        ]
        return self._pages.show(
            visitor,
            "desk_look",
            status=status,
            values=edited,
            changed=changed,
            problems=problems,
            conflicts=typed.conflicts or {},
            has_conflict=typed.conflicts is not None,
            stamp=look.stamp,
            codes=[(code, language_name(code, visitor.language)) for code in look.languages],
            shown_language=language,
            colours=[name.partition(".")[2] for name in look.values if name.startswith("light.")],
            fonts=[name for name in look.values if name.startswith("font.")],
            contrasts=[*looks.contrasts(edited)],
            least=CONTRAST,
            frames=frames,
            may_save=visitor.may(OPERATORS),
            is_approved=self._is_approved(),
            done=done,
            follows=False,  # a reload would lose what was typed
            is_served=not self._access.on_loopback,
        )

    def _is_approved(self) -> bool:
        with session_scope(self._app.engine, read_only=True) as session:
            try:
                return self._pages.issue(session).state == IssueState.APPROVED
            except NotFoundError:
                return False


def _query(language: str, kind: str, scheme: Scheme, changed: Mapping[str, str]) -> str:
    return urlencode({"language": language, "kind": kind, "scheme": scheme, **changed})


def _mail(publisher: Any, language: str) -> str:
    rendered = looks.shown(publisher, language)
    values = {**dict.fromkeys(Slot, "#"), Slot.INTERESTS: "…", Slot.TEST_MARK: ""}
    return with_pictures(fill(rendered.html, rendered.nonce, values, SlotContext.HTML), publisher.settings)


def _page(publisher: Any, language: str) -> str:
    """Return the sign-up page with its styles in it: the frame of a look that is not saved can link to none."""
    template, values = sample("subscribe", language)
    html = Page(publisher, language, "/subscribe").render(template, **{**values, "path": "/subscribe"})
    head, link, rest = html.partition('<link rel="stylesheet"')
    if link:
        html = f"{head}<style>{page_style(publisher.templates, 'pages.css')}</style>{rest.partition('>')[2]}"
    base, root = publisher.settings.publication.base_url, "/media/"
    return with_pictures(html.replace(f'"{root}', f'"{base}{root}'), publisher.settings)


def routes(pages: DeskPages, access: Access) -> list[DeskRoute]:
    """Return the routes: editors see and try, operators save."""
    own, both = LookPages(pages, access), EDITORS | OPERATORS
    return [
        DeskRoute("GET", PATH, own.page, both),
        DeskRoute("POST", f"{PATH}/try", own.attempt, both, _SIZE),
        DeskRoute("POST", PATH, own.save, OPERATORS, _SIZE),
        DeskRoute("GET", f"{PATH}/frame", own.frame, both),
    ]
