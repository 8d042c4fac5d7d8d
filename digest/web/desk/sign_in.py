"""Signing in to the desk and out of it, the account's page, and approving."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request
from starlette.responses import Response

from digest.accounts import audit, store
from digest.accounts.models import Account
from digest.runtime.db import session_scope
from digest.runtime.text import one_person
from digest.web.desk.access import (
    EVERYBODY,
    LANGUAGE_COOKIE,
    LANGUAGES,
    SIGN_IN,
    Access,
    DeskForm,
    DeskRoute,
    Visiting,
    language_of,
)
from digest.web.desk.pages import DeskPages
from digest.web.http.headers import PAGE_POLICY
from digest.web.public.languages import match
from digest.web.public.pages import Page, show
from subscribers.pages import Asking

MAX_FIELD = 256


class SignInPages:
    """Handlers of the pages that are in the publication's languages."""

    def __init__(self, pages: DeskPages, access: Access) -> None:
        self._pages, self._access, self._app, self._gate = pages, access, access.app, access.limiter()

    def sign_in_form(self, request: Request) -> Response:
        """Show the form."""
        return self._form(language_of(request))

    def sign_in(self, request: Request, form: DeskForm) -> Response:
        """Check login, password and code; the answer does not say which of them is wrong."""
        language, login = language_of(request), form.one("login")[:MAX_FIELD]
        if refusal := self._access.refusal(request, form, None):
            return self._form(language, problem=refusal.value, login=login, status=HTTPStatus.FORBIDDEN)
        host = request.client.host if request.client else ""
        if wait := self._gate(Asking(host, one_person(login))):
            answer = self._form(language, problem="often", login=login, status=HTTPStatus.TOO_MANY_REQUESTS)
            answer.headers["Retry-After"] = str(wait)
            return answer
        account = self._verified(login, form.one("password")[:MAX_FIELD], form.one("code")[:MAX_FIELD])
        if account is None:
            return self._form(language, problem="wrong", login=login, status=HTTPStatus.FORBIDDEN)
        answer = self._pages.back("")
        self._access.begin(answer, account)
        return answer

    def account(self, visitor: Visiting) -> Response:
        """Show who is signed in, with the button to sign out."""
        return self._pages.show(visitor, "desk_account")

    def sign_out(self, visitor: Visiting, form: DeskForm) -> Response:
        """End this session, or all sessions of the account."""
        answer = self._pages.back("/sign-in")
        self._access.end(answer, visitor, everywhere=form.one("everywhere") == "yes")
        return answer

    def _verified(self, login: str, password: str, code: str) -> Account | None:
        engine, now = self._app.engine, self._app.clock.now()
        with session_scope(engine, read_only=True) as session:
            found = store.with_password(session, login, password)
        if found is None:
            return None
        with session_scope(engine) as session:
            account = store.use_code(session, found, code, now=now, secret=self._access.secret)
            what = "signed in" if account else "wrong code"
            audit.record(session, audit.Actor(found.login, audit.ActorRoute.DESK), what, found.login, now=now)
        return account

    def _form(
        self, language: str, *, problem: str = "", login: str = "", status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        values = {"problem": problem, "login": login, "form_token": self._access.form_token(None)}
        page = Page(self._app.publisher, language, SIGN_IN)
        return show(page, "desk_sign_in", status=status, headers={"Content-Security-Policy": PAGE_POLICY}, **values)


def routes(pages: DeskPages, access: Access) -> list[DeskRoute]:
    """Return the routes; the machine's user on loopback signs in by the one-time address instead."""
    own, account = SignInPages(pages, access), [DeskRoute("POST", "/language", set_language(pages), EVERYBODY)]
    if access.on_loopback:
        return account
    return [
        *account,
        DeskRoute("GET", "/sign-in", own.sign_in_form, None),
        DeskRoute("POST", "/sign-in", own.sign_in, None),
        DeskRoute("GET", "/account", own.account, EVERYBODY),
        DeskRoute("POST", "/sign-out", own.sign_out, EVERYBODY),
    ]


def set_language(pages: DeskPages) -> Callable[..., Response]:
    """Return the act of choosing the desk's language, kept in a cookie of this browser."""

    def choose(form: DeskForm) -> Response:
        answer = pages.back(form.one("from") if form.one("from") in pages.open_to else "")
        chosen = match(form.one("language"), LANGUAGES) or LANGUAGES[0]
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=365 * 86400, path="/", httponly=True, samesite="lax")
        return answer

    return choose
