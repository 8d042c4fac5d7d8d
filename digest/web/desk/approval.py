"""Approving an issue: what is approved, by whom so far, and what changed since."""

import hmac
from http import HTTPStatus

from fastapi import HTTPException
from starlette.responses import Response

from digest.accounts import audit
from digest.accounts import store as accounts
from digest.accounts.audit import ActorRoute
from digest.issues import store as issues
from digest.issues.lifecycle import EDITABLE
from digest.publish import lifecycle
from digest.publish.approval import Approver, approvals_of, approver_named, changes_since_approval, issue_hash, manifest
from digest.publish.approved_texts import changed_texts
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError, RefusedError
from digest.web.desk.access import APPROVERS, MAKERS, DeskForm, DeskRoute, Visiting
from digest.web.desk.pages import DeskPages

MAX_FIELD = 256


class ApprovalPages:
    """Handlers of the approval."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def approval(self, visitor: Visiting, done: str = "") -> Response:
        """Show what would be approved, and by whom it is approved so far."""
        return self._show(visitor, done=done)

    def approve(self, visitor: Visiting, form: DeskForm) -> Response:
        """Approve exactly what the page showed; what has changed since is shown again instead."""
        number = form.one("issue")
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        app, by = self._pages.app, form.one("by")[:MAX_FIELD]
        publisher, now = app.publisher, app.clock.now()
        try:
            with session_scope(app.engine) as session:
                issue = issues.find(session, int(number), lock=True)
                current = issue_hash(manifest(session, issue, publisher.settings, publisher.templates))
                if not hmac.compare_digest(current, form.one("hash")[:MAX_FIELD].encode("ascii", "replace").decode()):
                    raise RefusedError("It has changed since this page was opened", hint="Look at the changes below.")
                account = visitor.account
                approver = (
                    Approver(account.name, account.login, ActorRoute.DESK) if account else approver_named(session, by)
                )
                done = lifecycle.approve(publisher, session, issue, approver, now)
                who = "" if account else approver.name
                about = f"issue {number}"
                audit.record(session, visitor.actor, "approve", about, now=now, hash=issue.approved_hash, by=who)
        except DigestError as error:
            return self._show(visitor, problem=error, by=by)
        return self._pages.back("/approval", done="approved" if done else "first")

    def _show(self, visitor: Visiting, *, problem: DigestError | None = None, done: str = "", by: str = "") -> Response:
        look = self._pages.desk.look()
        publisher = look.publisher
        with session_scope(publisher.engine, read_only=True) as session:
            issue = issues.find(session, look.issue.number)
            parts = manifest(session, issue, publisher.settings, publisher.templates)
            changes = changes_since_approval(issue, parts)
            texts = changed_texts(session, issue, parts) if changes else []
            has_accounts = accounts.any_exists(session)
        given = [] if changes else approvals_of(issue)
        own = visitor.account and any(one.login == visitor.account.login for one in given)
        return self._pages.show(
            visitor,
            "desk_approval",
            status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
            issue=issue,
            hash=issue_hash(parts),
            changes=changes,
            texts=texts,
            before=[one.shown for one in approvals_of(issue)] if changes else [],
            given=[one.shown for one in given],
            required=publisher.settings.approval.required,
            blocking=list(dict.fromkeys((one.id, one.message) for one in look.made.blocking)),
            readers=sum(look.made.readers.values()),
            editions=len(look.made.editions),
            may=visitor.may(APPROVERS) and issue.state in EDITABLE and not own,
            is_approved=issue.state == "approved" and not changes,
            has_accounts=has_accounts,
            troubles=look.troubles,
            problem=problem,
            done=done,
            by=by,
        )


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the routes of the approval."""
    own = ApprovalPages(pages)
    return [DeskRoute("GET", "/approval", own.approval, MAKERS), DeskRoute("POST", "/approval", own.approve, APPROVERS)]
