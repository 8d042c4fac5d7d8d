"""Access to the desk: who has a session, what a role may open, and forms only from our own pages.

A page is a `DeskRoute`, which says for whom it is; there is no other way to add one.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from starlette.responses import Response

from digest.accounts import sessions
from digest.accounts.audit import Actor, ActorRoute, machine_user
from digest.accounts.models import Account, Role
from digest.app import App
from digest.runtime.db import session_scope
from digest.settings.web import FormLimits
from digest.web.public.languages import choose
from digest.web.public.rate_limits import Limiter
from digest.web.public.rate_storage import DatabaseStorage
from subscribers.pages import csrf
from subscribers.pages.forms import MAX_BODY, Form, read_form

ROOT = "/desk"
SIGN_IN = f"{ROOT}/sign-in"
EVERYBODY = frozenset(Role)
MAKERS = EVERYBODY - {Role.READER}
EDITORS, APPROVERS, OPERATORS = (frozenset({role}) for role in (Role.EDITOR, Role.APPROVER, Role.OPERATOR))
LANGUAGES = ("en", "ko")
"""Languages of the desk, whatever the publication's are."""
LANGUAGE_COOKIE = "digest-desk-language"
FORM = "desk"
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class DeskRoute:
    """A page or an act: `path` is below /desk, `roles` None needs no session, `size` limits the form in octets."""

    method: Literal["GET", "POST"]
    path: str
    page: Callable[..., Any]
    roles: frozenset[Role] | None
    size: int = MAX_BODY


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who makes a request, and where: an account, or the machine's user at a desk on loopback.

    `token` is the cookie's, `place` the path of the route below /desk.
    """

    account: Account | None
    ref: str
    token: str
    language: str = LANGUAGES[0]
    place: str = ""

    @property
    def actor(self) -> Actor:
        """The visitor, for the audit log."""
        return Actor(self.account.login, ActorRoute.DESK) if self.account else machine_user()

    def may(self, roles: Collection[Role]) -> bool:
        """Return whether one of these roles is theirs; the machine's user has all of them."""
        return self.account is None or self.account.has(*roles)


@dataclass(frozen=True, slots=True)
class Access:
    """Sessions and permissions of one workspace's desk. `on_loopback` it is the machine user's, without accounts."""

    app: App
    on_loopback: bool = False

    @property
    def secret(self) -> bytes:
        """The key of sessions and of one-time passwords."""
        return self.app.settings.suppression_key

    @property
    def prefix(self) -> str:
        """The path under which a proxy has the pages, such as /news; mostly empty."""
        return "" if self.on_loopback else urlsplit(self.app.signer.base_url).path

    @property
    def cookie(self) -> str:
        """The cookie's name; with the prefix browsers refuse it from other hosts and without https."""
        return "digest-own-desk" if self.on_loopback else "__Host-digest-desk" if self._is_https else "digest-desk"

    @property
    def _is_https(self) -> bool:
        return self.app.signer.base_url.startswith("https://") and not self.on_loopback

    def limiter(self) -> Limiter:
        """Return the limits of attempts to sign in, counted in the database for all processes."""
        desk = self.app.settings.desk
        limits = FormLimits(address=desk.attempts, network=desk.attempts_network, region="", all="", bare="")
        key = hmac.digest(self.secret, b"desk:attempts", hashlib.sha256)  # apart from the sign-up form's counts
        return Limiter(limits, DatabaseStorage(self.app.engine), key)

    def begin(self, response: Response, account: Account | None) -> None:
        """Open a session, and give its token to the browser."""
        lasting = timedelta(hours=self.app.settings.desk.session_hours)
        with session_scope(self.app.engine) as session:
            now = self.app.clock.now()
            token = sessions.begin(session, account, now=now, lasting=lasting, secret=self.secret)
        age, secure = int(lasting.total_seconds()), self._is_https
        response.set_cookie(self.cookie, token, max_age=age, path="/", secure=secure, httponly=True, samesite="lax")

    def end(self, response: Response, visitor: Visitor, *, everywhere: bool = False) -> None:
        """End the visitor's session, or all of theirs."""
        now = self.app.clock.now()
        with session_scope(self.app.engine) as session:
            sessions.revoke(session, visitor.token, now=now, secret=self.secret)
            if everywhere and visitor.account is not None:
                sessions.revoke_all(session, visitor.account, now)
        response.delete_cookie(self.cookie, path="/", secure=self._is_https, httponly=True, samesite="lax")

    def form_token(self, visitor: Visitor | None) -> str:
        """Return the CSRF token of a form, good in this session only."""
        return csrf.token(self.app.signer, FORM, visitor.ref if visitor else "", self.app.clock.now())

    def refusal(self, request: Request, form: Form, visitor: Visitor | None) -> csrf.Refusal:
        """Return why a posted form is refused, if it is not of our page in this session."""
        ref, now = visitor.ref if visitor else "", self.app.clock.now()
        return csrf.refusal(request.headers, form, self.app.signer, FORM, ref=ref, now=now)

    def visitor(self, request: Request) -> Visitor | None:
        """Return who makes the request, None without a valid session."""
        token, now = request.cookies.get(self.cookie, ""), self.app.clock.now()
        if not token:
            return None
        idle = timedelta(minutes=self.app.settings.desk.idle_minutes)
        with session_scope(self.app.engine, read_only=True) as session:
            found = sessions.find(session, token, now=now, idle=idle, secret=self.secret)
        if found is None or (found.account is None) is not self.on_loopback:
            return None
        if found.to_be_noted:
            with session_scope(self.app.engine) as session:
                sessions.note_seen(session, token, now=now, secret=self.secret)
        return Visitor(found.account, found.ref, token, language_of(request))

    def guard(self, route: DeskRoute) -> Callable[..., None]:
        """Return the dependency of a route that lets a request through if its visitor may make it."""

        async def read(request: Request) -> Form:
            return await read_form(request, route.size)

        def guard(request: Request, form: Annotated[Form, Depends(read)]) -> None:
            request.state.form = form
            visitor = self.visitor(request) if route.roles is not None else None
            if visitor is not None:
                request.state.visitor = visitor = replace(visitor, place=route.path)
            if route.roles is None:
                return
            if visitor is None:
                if request.method in _SAFE and not self.on_loopback:
                    raise HTTPException(HTTPStatus.SEE_OTHER, headers={"Location": f"{self.prefix}{SIGN_IN}"})
                raise HTTPException(HTTPStatus.FORBIDDEN)
            if not visitor.may(route.roles) or (request.method not in _SAFE and self.refusal(request, form, visitor)):
                raise HTTPException(HTTPStatus.FORBIDDEN)

        return guard


def language_of(request: Request) -> str:
    """Return the desk's language for a browser: as asked in the address, as chosen before, as its settings say."""
    asked = request.query_params.get("lang", "") or request.cookies.get(LANGUAGE_COOKIE, "")
    return choose(asked[:35], request.headers.get("accept-language", ""), LANGUAGES)


def reading_language(request: Request) -> str:
    """Return the language of a page: its visitor's, or that of a browser at a preview without a desk."""
    visitor = watching(request)
    return visitor.language if visitor else language_of(request)


def watching(request: Request) -> Visitor | None:
    """Return who makes a request, None in a preview without a desk and on pages that need no session."""
    found: Visitor | None = getattr(request.state, "visitor", None)
    return found


def visitor_of(request: Request) -> Visitor:
    """Return who makes a request that `guard` let through."""
    found: Visitor = request.state.visitor
    return found


def form_of(request: Request) -> Form:
    """Return the form that `guard` read."""
    found: Form = request.state.form
    return found


Visiting = Annotated[Visitor, Depends(visitor_of)]
ReadingLanguage = Annotated[str, Depends(reading_language)]
Watching = Annotated[Visitor | None, Depends(watching)]
DeskForm = Annotated[Form, Depends(form_of)]
