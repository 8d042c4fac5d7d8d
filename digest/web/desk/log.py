"""The audit log at the desk: who did what, the newest first."""

from starlette.responses import Response

from digest.accounts import audit
from digest.accounts.models import Role
from digest.runtime.db import session_scope
from digest.web.desk.access import DeskRoute, Visiting
from digest.web.desk.pages import DeskPages

PAGE = 50
WATCHERS = frozenset({Role.APPROVER, Role.OPERATOR})


class LogPage:
    """Handler of the log."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def log(self, visitor: Visiting, who: str = "", about: str = "", page: int = 1) -> Response:
        """Show a page of entries, of one person or about one thing if asked."""
        page, who, about = max(1, min(page, 10_000)), who.strip()[:120], about.strip()[:120]
        with session_scope(self._pages.app.engine, read_only=True) as session:
            found = audit.entries(session, who=who, about=about, most=PAGE + 1, skip=(page - 1) * PAGE)
        zone = self._pages.desk.publisher.settings.publication.zone
        rows = [(one, one.at.astimezone(zone), audit.in_words(one)) for one in found[:PAGE]]
        return self._pages.show(
            visitor, "desk_log", rows=rows, who=who, about=about, page=page, has_more=len(found) > PAGE
        )


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the route of the log."""
    return [DeskRoute("GET", "/log", LogPage(pages).log, WATCHERS)]
