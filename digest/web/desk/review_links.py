"""Review links at the desk: made, listed and revoked by those who make the issue."""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from digest.accounts import audit, review_links
from digest.publish.approval import issue_hash, manifest
from digest.runtime.errors import NotFoundError
from digest.runtime.keys import MAX_KEY
from digest.web.desk.access import APPROVERS, EDITORS, ROOT, Access, DeskForm, DeskRoute, Visiting, Visitor
from digest.web.desk.pages import DeskPages

PATH, COPY = "/review", "/copy"


class ReviewLinkPages:
    """Handlers of the page and its two acts."""

    def __init__(self, pages: DeskPages, access: Access) -> None:
        self._pages, self._access, self._app = pages, access, access.app

    def overview(self, visitor: Visiting, done: str = "") -> Response:
        """Page with the valid links, and the form for a new one."""
        return self._show(visitor, done=done)

    def make(self, visitor: Visiting) -> Response:
        """Make a link to the present issue, and show it: once, since only its hash is kept."""
        app, now, publisher = self._app, self._app.clock.now(), self._app.publisher
        self._refuse_unreachable()
        with app.session() as session:
            issue = self._pages.issue(session)
            approved = issue_hash(manifest(session, issue, publisher.settings, publisher.templates))
            lasting, by = timedelta(days=app.settings.desk.review_days), visitor.actor.who
            link, token = review_links.make(
                session, issue.number, approved, by, now=now, lasting=lasting, secret=self._access.secret
            )
            until = link.expires_at.astimezone(app.settings.publication.zone).date().isoformat()
            audit.record(session, visitor.actor, "made review link", f"issue {issue.number}", now=now, until=until)
        return self._show(visitor, address=f"{app.signer.base_url}{ROOT}{COPY}/{token}")

    def revoke(self, visitor: Visiting, form: DeskForm) -> Response:
        """End a link."""
        given = form.one("link")
        if not (given.isascii() and given.isdecimal()) or int(given) > MAX_KEY:
            raise NotFoundError("There is no such review link")
        with self._app.session() as session:
            link = review_links.revoke(session, int(given), self._app.clock.now())
            about = f"issue {link.issue}"
            audit.record(session, visitor.actor, "revoked review link", about, now=self._app.clock.now())
        return self._pages.back(PATH, done="revoked")

    def _refuse_unreachable(self) -> None:
        if not self._app.settings.desk.enabled:
            hint = "Set [desk] enabled = true; `digest serve` then answers review links."
            raise NotFoundError("A review link needs the desk on the web", hint=hint)

    def _show(self, visitor: Visitor, **values: Any) -> Response:
        zone, now = self._app.settings.publication.zone, self._app.clock.now()
        with self._app.session(read_only=True) as session:
            issue = self._pages.issue(session)
            links = [
                {"id": one.id, "issue": one.issue, "by": one.made_by, "until": one.expires_at.astimezone(zone)}
                for one in review_links.valid(session, now)
            ]
            days = self._app.settings.desk.review_days
            facts: dict[str, Any] = {"issue": issue, "links": links, "days": days, "address": "", "done": ""}
            return self._pages.show(visitor, "desk_review", **facts | values)


def routes(pages: DeskPages, access: Access) -> list[DeskRoute]:
    """Return the routes."""
    own, makers = ReviewLinkPages(pages, access), EDITORS | APPROVERS
    return [
        DeskRoute("GET", PATH, own.overview, makers),
        DeskRoute("POST", PATH, own.make, makers),
        DeskRoute("POST", f"{PATH}/revoke", own.revoke, makers),
    ]
