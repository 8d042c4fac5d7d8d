"""The issue's texts: subject, preheader and introduction by language, its date, and the line that inboxes show."""

from typing import Any

from starlette.responses import Response

from digest.accounts import audit
from digest.issues import edit, store
from digest.issues.edit import LanguageTexts
from digest.issues.lifecycle import EDITABLE, IssueState
from digest.publish.describe import default_heads
from digest.render.checks.parts import repeats_subject
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError, RefusedError, UsageError
from digest.settings.publication import pick
from digest.web.desk.access import EDITORS, MAKERS, DeskForm, DeskRoute, Visiting, Visitor
from digest.web.desk.issue_board import PATH as BOARD
from digest.web.desk.issue_board import number_in
from digest.web.desk.pages import DeskPages
from digest.web.public.pages import own_name
from subscribers.pages.forms import Form

PATH = f"{BOARD}/texts"
_SIZE = 512 * 1024


class TextPages:
    """Handlers of the page."""

    def __init__(self, pages: DeskPages, clock: Clock) -> None:
        self._pages, self._clock = pages, clock

    def texts(self, visitor: Visiting, number: str = "", done: str = "", voided: str = "") -> Response:
        """Show the form."""
        return self._show(visitor, number_in(number), done=done, voided=bool(voided))

    def save(self, visitor: Visiting, form: DeskForm) -> Response:
        """Store what was typed; when that is refused, it is shown again with the reason."""
        number, languages = number_in(form.one("issue")), self._pages.desk.publisher.settings.languages
        typed = {code: LanguageTexts(*(form.one(f"{name}.{code}") for name in _NAMES)) for code in languages}
        try:
            with session_scope(self._pages.desk.publisher.engine) as session:
                was_approved = self._pages.issue(session, number, lock=True).state == IssueState.APPROVED
                issue = store.editable(session, number)
                edit.require_unchanged(form.one("seen"), edit.texts_hash(issue))
                edit.set_language_texts(issue, typed)
                edit.set_texts(issue, "*", issue_date=form.one("date"))
                now = self._clock.now()
                audit.record(session, visitor.actor, "edit texts", f"issue {issue.number}", now=now)
                query = {"number": str(issue.number), "done": "saved"} | ({"voided": "1"} if was_approved else {})
        except (RefusedError, UsageError) as error:
            return self._show(visitor, number, problem=error, typed=typed, form=form)
        return self._pages.back(PATH, **query)

    def _show(
        self,
        visitor: Visitor,
        number: int | None,
        *,
        problem: DigestError | None = None,
        typed: dict[str, LanguageTexts] | None = None,
        form: Form | None = None,
        done: str = "",
        voided: bool = False,
    ) -> Response:
        publisher = self._pages.desk.current()
        settings = publisher.settings
        with session_scope(publisher.engine, read_only=True) as session:
            issue = self._pages.issue(session, number)
            heads = default_heads(publisher, session, issue)
            stored = {code: LanguageTexts.of(issue, code) for code in settings.languages}
            seen = edit.texts_hash(issue)
        shown = typed or stored
        rows: list[dict[str, Any]] = [
            {
                "code": code,
                "name": own_name(code),
                "text": shown[code],
                "other": stored[code] if shown[code] != stored[code] else None,
                "subject": heads[code][0],
                "preheader": heads[code][1],
                "sender": pick(settings.publication.sender_name, code) or pick(settings.publication.name, code),
                "repeats": repeats_subject(
                    shown[code].preheader or heads[code][1], shown[code].subject or heads[code][0]
                ),
            }
            for code in settings.languages
        ]
        status = 200 if problem is None else 409 if isinstance(problem, RefusedError) else 400
        return self._pages.show(
            visitor,
            "desk_issue_texts",
            status=status,
            issue=issue,
            languages=rows,
            date=form.one("date") if form else issue.date.isoformat(),
            seen=seen,
            may_edit=visitor.may(EDITORS) and issue.state in EDITABLE,
            problem=problem,
            done=done,
            voided=voided,
        )


_NAMES = ("subject", "preheader", "intro")


def routes(pages: DeskPages, clock: Clock) -> list[DeskRoute]:
    """Return the page's routes."""
    own = TextPages(pages, clock)
    return [DeskRoute("GET", PATH, own.texts, MAKERS), DeskRoute("POST", PATH, own.save, EDITORS, size=_SIZE)]
