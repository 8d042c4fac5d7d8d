"""Corrections at the desk: which article of a sent issue was wrong, who has it, and the draft of its correction."""

from starlette.responses import Response

from digest.accounts import audit
from digest.app import App
from digest.issues import store as issues
from digest.publish import correction
from digest.runtime.errors import RefusedError, UsageError
from digest.runtime.keys import MAX_KEY
from digest.web.desk.access import EDITORS, DeskForm, DeskRoute, Visiting
from digest.web.desk.pages import DeskPages
from digest.workspace.report.words import reason

PATH = "/corrections"


class CorrectionPages:
    """Handlers of the list, of the page that asks, and of the act."""

    def __init__(self, pages: DeskPages, app: App) -> None:
        self._pages, self._app = pages, app

    def overview(self, visitor: Visiting, issue: int | None = None, made: int | None = None) -> Response:
        """Page with the articles of a sent issue, each with its number of readers, and the corrections so far."""
        with self._app.session(read_only=True) as session:
            sent = correction.sent_issues(session)
            numbers = [one.number for one in sent]
            chosen = next((one for one in sent if one.number == issue), sent[0] if sent else None)
            known = correction.corrections(session)
            drafted = next((one for one in known if one.number == made), None)
            return self._pages.show(
                visitor,
                "desk_corrections",
                numbers=numbers,
                chosen=chosen,
                articles=correction.held_articles(session, chosen) if chosen else [],
                corrections=known,
                drafted=drafted,
                drafts=correction.articles_of(session, drafted) if drafted else [],
            )

    def ask(self, visitor: Visiting, issue: int, article: str) -> Response:
        """Page with the readers of an article, and the button that makes its correction."""
        with self._app.session(read_only=True) as session:
            found = correction.correctable(session, _within(issue), article[:200], self._app.clock.now())
        translate = self._app.publisher.templates.translate(visitor.language)
        missed = [(reason(translate, "", why)[0], count) for why, count in found.missed.items()]
        return self._pages.show(visitor, "desk_correction", found=found, missed=missed)

    def make(self, visitor: Visiting, form: DeskForm) -> Response:
        """Make the draft, if as many readers have the article as the page said."""
        number, slug, now = form.one("issue"), form.one("article")[:200], self._app.clock.now()
        if not (number.isascii() and number.isdecimal()):
            raise UsageError("The issue's number is missing")
        with self._app.session() as session:
            found = correction.correctable(session, _within(int(number)), slug, now)
            if form.one("reached") != str(found.reached):
                hint = "Open the page again to see the new number."
                raise RefusedError("The number of readers who have the article has changed", hint=hint)
            issue = correction.correct(self._app.publisher, session, found, now)
            made, about = issue.number, f"issue {found.number}"
            audit.record(session, visitor.actor, "correct", about, now=now, article=found.group, correction=made)
        return self._pages.back(PATH, issue=number, made=str(made))


def _within(number: int) -> int:
    if not 0 < number <= MAX_KEY:
        raise issues.NoSuchIssueError(f"There is no issue {number}")
    return number


def routes(pages: DeskPages, app: App) -> list[DeskRoute]:
    """Return the routes."""
    own = CorrectionPages(pages, app)
    return [
        DeskRoute("GET", PATH, own.overview, EDITORS),
        DeskRoute("GET", f"{PATH}/new", own.ask, EDITORS),
        DeskRoute("POST", f"{PATH}/new", own.make, EDITORS),
    ]
