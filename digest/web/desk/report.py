"""Reports of issues at the desk: the same account as `digest report`, in the desk's frame and language."""

from starlette.responses import HTMLResponse, Response

from digest.runtime.errors import NotFoundError
from digest.runtime.keys import MAX_KEY
from digest.web.desk.access import EVERYBODY, DeskRoute, Visiting
from digest.web.desk.pages import DeskPages
from digest.workspace.report import account
from digest.workspace.report.page import ReportPages

FRAME = "web/desk_report.html.j2"


class DeskReports:
    """Handlers of the reports."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def overview(self, visitor: Visiting) -> Response:
        """Show all issues that were frozen."""
        pages, made = self._reports(visitor)
        return HTMLResponse(made.overview(account.overview(pages.app, reach=True)))

    def issue(self, visitor: Visiting, number: int) -> Response:
        """Show one issue."""
        if not 0 < number <= MAX_KEY:
            raise NotFoundError(f"There is no issue {number}")
        pages, made = self._reports(visitor)
        return HTMLResponse(made.issue(account.of_issue(pages.app, number)))

    def _reports(self, visitor: Visiting) -> tuple[DeskPages, ReportPages]:
        pages = self._pages
        publisher = pages.desk.publisher
        frame = {**pages.frame(visitor, publisher), "layout": FRAME}
        made = ReportPages(publisher.settings, publisher.templates, pages.app.clock.now(), visitor.language, frame)
        return pages, made


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the routes of the reports."""
    own = DeskReports(pages)
    return [
        DeskRoute("GET", "/report", own.overview, EVERYBODY),
        DeskRoute("GET", "/report/{number}", own.issue, EVERYBODY),
    ]
