"""Signing in to the desk and out of it, the account's page, and approving."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from digest.accounts import audit, store
from digest.accounts.models import Account
from digest.issues import store as issues
from digest.publish import lifecycle
from digest.publish.approval import Approver, changes_since_approval, issue_hash, manifest
from digest.runtime.db import session_scope
from digest.runtime.errors import NotFoundError, RefusedError
from digest.runtime.text import one_person
from digest.web.desk.access import ROOT, SIGN_IN, Access, Visiting
from digest.web.http.headers import PAGE_POLICY
from digest.web.public.languages import choose
from digest.web.public.pages import Page, show
from subscribers.pages import Asking
from subscribers.pages.page import Posted

MAX_FIELD = 256


class SignInPages:
    """Handlers of the pages that are in the publication's languages."""

    def __init__(self, access: Access) -> None:
        self._access, self._app, self._gate = access, access.app, access.limiter()

    def sign_in_form(self, lang: str = "", accept_language: Annotated[str, Header()] = "") -> Response:
        """Show the form."""
        return self._form(self._language(lang, accept_language))

    def sign_in(
        self, request: Request, form: Posted, lang: str = "", accept_language: Annotated[str, Header()] = ""
    ) -> Response:
        """Check login, password and code; the answer does not say which of them is wrong."""
        language, login = self._language(lang, accept_language), form.one("login")[:MAX_FIELD]
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
        answer = RedirectResponse(f"{self._access.prefix}{ROOT}/account?lang={language}", HTTPStatus.SEE_OTHER)
        self._access.begin(answer, account)
        return answer

    def account(self, visitor: Visiting, lang: str = "", accept_language: Annotated[str, Header()] = "") -> Response:
        """Show who is signed in, where they may go, and the button to sign out."""
        token = self._access.form_token(visitor)
        return self._show("desk_account", self._language(lang, accept_language), "account", visitor, form_token=token)

    def sign_out(self, visitor: Visiting, form: Posted) -> Response:
        """End this session, or all sessions of the account."""
        answer = RedirectResponse(f"{self._access.prefix}{SIGN_IN}", HTTPStatus.SEE_OTHER)
        self._access.end(answer, visitor, everywhere=form.one("everywhere") == "yes")
        return answer

    def approval(
        self, visitor: Visiting, lang: str = "", accept_language: Annotated[str, Header()] = "", problem: str = ""
    ) -> Response:
        """Show what would be approved."""
        publisher = self._app.publisher
        with session_scope(self._app.engine, read_only=True) as session:
            try:
                issue = issues.find(session, None)
            except NotFoundError as error:
                raise HTTPException(HTTPStatus.NOT_FOUND) from error
            parts = manifest(session, issue, publisher.settings, publisher.templates)
            changes = changes_since_approval(issue, parts)
        facts: dict[str, Any] = {"issue": issue, "hash": issue_hash(parts), "changes": changes, "problem": problem}
        facts["form_token"] = self._access.form_token(visitor)
        status = HTTPStatus.CONFLICT if problem else HTTPStatus.OK
        return self._show("desk_approval", self._language(lang, accept_language), "approval", visitor, status, **facts)

    def approve(
        self, visitor: Visiting, form: Posted, lang: str = "", accept_language: Annotated[str, Header()] = ""
    ) -> Response:
        """Approve exactly what the page showed; what has changed since is shown again instead."""
        account, number = visitor.account, form.one("issue")
        if account is None or not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        publisher, now = self._app.publisher, self._app.clock.now()
        approver = Approver(account.name, account.login, audit.ActorRoute.DESK)
        try:
            with session_scope(self._app.engine) as session:
                issue = issues.find(session, int(number), lock=True)
                current = issue_hash(manifest(session, issue, publisher.settings, publisher.templates))
                if not hmac.compare_digest(current, form.one("hash")[:MAX_FIELD].encode("ascii", "replace").decode()):
                    raise RefusedError("It has changed since this page was opened")
                lifecycle.approve(publisher, session, issue, approver, now)
                audit.record(session, visitor.actor, "approve", f"issue {number}", now=now, hash=issue.approved_hash)
        except RefusedError as error:
            return self.approval(visitor, lang, accept_language, problem=error.message)
        return RedirectResponse(f"{self._access.prefix}{ROOT}/approval", HTTPStatus.SEE_OTHER)

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
        token = self._access.form_token(None)
        values = {"problem": problem, "login": login, "form_token": token}
        return self._show("desk_sign_in", language, "sign-in", None, status, **values)

    def _show(
        self,
        name: str,
        language: str,
        path: str,
        visitor: Visiting | None,
        status: HTTPStatus = HTTPStatus.OK,
        **values: Any,
    ) -> Response:
        page = Page(self._app.publisher, language, f"{ROOT}/{path}")
        account, policy = visitor.account if visitor else None, {"Content-Security-Policy": PAGE_POLICY}
        return show(page, name, status=status, headers=policy, account=account, **values)

    def _language(self, asked: str, accept: str) -> str:
        return choose(asked, accept, self._app.settings.languages)


def build_router(access: Access) -> APIRouter:
    """Return the routes, below `ROOT`."""
    router, pages = APIRouter(), SignInPages(access)
    shown: dict[str, Callable[..., Response]] = {
        "/sign-in": pages.sign_in_form,
        "/account": pages.account,
        "/approval": pages.approval,
    }
    posted: dict[str, Callable[..., Response]] = {
        "/sign-in": pages.sign_in,
        "/sign-out": pages.sign_out,
        "/approval": pages.approve,
    }
    for methods, routes in ((["GET", "HEAD"], shown), (["POST"], posted)):
        for path, page in routes.items():
            router.add_api_route(path, page, methods=methods, include_in_schema=False, response_model=None)
    return router
