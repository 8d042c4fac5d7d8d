"""The issue board: sections with their articles, acts on them, and assembling."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select
from starlette.responses import Response

from digest.accounts import audit
from digest.articles import store as articles
from digest.issues import edit, store
from digest.issues.board import Board, board_of
from digest.issues.lifecycle import EDITABLE, IssueState
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.publish import lifecycle
from digest.publish.approval import changes_since_approval, manifest
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError, RefusedError, UsageError
from digest.runtime.keys import MAX_KEY
from digest.schedule.occurrences import issue_date, period_at
from digest.settings.publication import pick
from digest.web.desk.access import EDITORS, MAKERS, DeskForm, DeskRoute, Visiting, Visitor
from digest.web.desk.board_rows import RowWriter
from digest.web.desk.pages import DeskPages
from digest.web.desk.reader_summary import summary_of
from subscribers.pages.forms import Form

PATH = "/issue"
_NUMBER = re.compile(r"[1-9]\d{0,8}")


def number_in(text: str) -> int | None:
    """Return the number of an issue, None for no text. Raises UsageError."""
    if text and not _NUMBER.fullmatch(text):
        raise UsageError(f"{text[:20]!r} is not the number of an issue")
    return int(text) if text else None


@dataclass(frozen=True, slots=True)
class Act:
    """What an editor does with one article, from the order that `seen` names."""

    verb: str
    slug: str
    section: str = ""
    position: int = 1

    @classmethod
    def parse(cls, form: Form) -> "Act":
        """Read the button `act` of the board's form: a verb and a slug."""
        verb, _, slug = form.one("act").partition(" ")
        position = form.one("position")
        at = int(position) if _NUMBER.fullmatch(position) else 1
        return cls(verb, slug, form.one(f"section.{slug}") if verb == "move" else form.one("section"), at)


class BoardPages:
    """Handlers of the board."""

    def __init__(self, pages: DeskPages, clock: Clock) -> None:
        self._pages, self._clock = pages, clock
        self._verbs: dict[str, Callable[[Session, Issue, Act, list[str]], object]] = {
            "up": lambda session, issue, act, order: _shift(session, issue, act.slug, -1, order),
            "down": lambda session, issue, act, order: _shift(session, issue, act.slug, 1, order),
            "place": _place,
            "move": lambda session, issue, act, order: _place(
                session, issue, Act("", act.slug, act.section, MAX_KEY), order
            ),
            "add": lambda session, issue, act, order: edit.add(session, issue, act.slug, order),
            "drop": lambda session, issue, act, _: edit.drop(session, issue, act.slug),
            "hold": lambda session, issue, act, order: edit.hold(session, issue, act.slug, order),
            "pin": self._pin,
            "unpin": self._unpin,
        }

    def board(
        self, visitor: Visiting, *, number: str = "", done: str = "", at: str = "", voided: str = "", more: str = ""
    ) -> Response:
        """Show the board, or how to assemble an issue where there is none; `more` opens the acts of a row."""
        return self._show(visitor, number_in(number), done=done, at=at, voided=voided, opened=more)

    def act(self, visitor: Visiting, form: DeskForm) -> Response:
        """Do one thing with one article. What was made from another order is refused, and the board shown as it is."""
        act, number = Act.parse(form), number_in(form.one("issue"))
        if act.verb not in self._verbs:
            raise UsageError("The desk does not know this act")
        try:
            with session_scope(self._pages.desk.publisher.engine) as session:
                issue, voided = self._opened(session, number)
                edit.require_unchanged(form.one("seen"), edit.order_hash(store.order_of(session, issue)))
                order = [rule.slug for rule in lifecycle.section_rules(self._pages.desk.publisher)]
                self._verbs[act.verb](session, issue, act, order)
                self._record(session, visitor, f"{act.verb} article", issue, article=act.slug)
                query = {"number": str(issue.number), "done": act.verb, "at": act.slug} | voided
        except RefusedError as error:
            return self._show(visitor, number, problem=error, at=act.slug)
        return self._pages.back(PATH, **query)

    def assemble(self, visitor: Visiting, form: DeskForm) -> Response:
        """Assemble a new issue, or the draft again."""
        publisher, now, number = self._pages.desk.publisher, self._clock.now(), number_in(form.one("issue"))
        voided: dict[str, str] = {}
        try:
            with session_scope(publisher.engine) as session:
                if number is None:
                    period = Period.parse(form.one("period"))
                    if period not in self._periods():
                        raise UsageError(f"No issue is due for {period}")
                    day = issue_date(publisher.settings, period)
                else:
                    issue, voided = self._opened(session, number)
                    edit.require_unchanged(form.one("seen"), edit.order_hash(store.order_of(session, issue)))
                    period, day = Period.parse(issue.period), issue.date
                issue = lifecycle.assemble(publisher, session, period, number=number, issue_date=day, now=now)
                self._record(session, visitor, "assemble", issue)
                query = {"number": str(issue.number), "done": "assembled"} | voided
        except RefusedError as error:
            return self._show(visitor, number, problem=error)
        return self._pages.back(PATH, **query)

    def readers(self, visitor: Visiting) -> Response:
        """Show who gets what of the issue that the desk is about, from a build of all editions."""
        look = self._pages.desk.look()
        return self._pages.show(
            visitor, "desk_issue_readers", issue=look.issue, summary=summary_of(look, visitor.language)
        )

    def _opened(self, session: Session, number: int | None) -> tuple[Issue, dict[str, str]]:
        """Return the issue for an edit, and the query that says whether it was approved."""
        was_approved = self._pages.issue(session, number, lock=True).state == IssueState.APPROVED
        return store.editable(session, number), {"voided": "1"} if was_approved else {}

    def _record(self, session: Session, visitor: Visitor, what: str, issue: Issue, **details: str) -> None:
        audit.record(session, visitor.actor, what, f"issue {issue.number}", now=self._clock.now(), **details)

    def _pin(self, session: Session, issue: Issue, act: Act, order: list[str]) -> None:
        section = dict(store.order_of(session, issue)).get(act.slug, "")
        edit.move_to(session, issue, edit.ArticlePosition(act.slug, section, 1), order)
        articles.set_pin(session, articles.get(session, act.slug), self._clock.now(), pin=True)

    def _unpin(self, session: Session, issue: Issue, act: Act, order: list[str]) -> None:
        del issue, order
        articles.set_pin(session, articles.get(session, act.slug), self._clock.now(), pin=False)

    def _periods(self) -> list[Period]:
        """Return the periods that an issue can be assembled for now."""
        period = period_at(self._pages.desk.publisher.settings, self._clock.now())
        return [period, period.next]

    def _free_period(self, session: Session) -> str:
        """Return the first of these periods that has no issue, or an empty text."""
        issues = ((period, store.of_period(session, period)) for period in self._periods())
        free = (str(period) for period, one in issues if one is None or one.state == IssueState.WITHDRAWN)
        return next(free, "")

    def _show(
        self,
        visitor: Visitor,
        number: int | None,
        *,
        problem: DigestError | None = None,
        at: str = "",
        done: str = "",
        voided: str = "",
        opened: str = "",
    ) -> Response:
        publisher = self._pages.desk.current()
        with session_scope(publisher.engine, read_only=True) as session:
            values: dict[str, Any] = {"problem": problem, "done": done, "at": at, "opened": opened}
            values |= {"voided": bool(voided), "may_edit": visitor.may(EDITORS), "issue": None}
            try:
                issue = self._pages.issue(session, number)
            except store.NoSuchIssueError:
                if number is not None:
                    raise
                return self._pages.show(visitor, "desk_issue", period=self._free_period(session), **values)
            if issue.state not in EDITABLE:
                values["period"] = self._free_period(session)
            values["board"] = board = board_of(session, issue, lifecycle.section_rules(publisher))
            values |= self._facts(session, issue, number, visitor.language)
        writer = RowWriter(publisher.settings, visitor.language, publisher.templates.translate(visitor.language))
        values["rows"] = {one.slug: [*map(writer.row, one.articles)] for one in board.sections}
        values["outside"] = [*map(writer.outside, board.outside)]
        values["title"] = _titles(board).get(at, "")
        return self._pages.show(visitor, "desk_issue", status=409 if problem else 200, **values)

    def _facts(self, session: Session, issue: Issue, number: int | None, language: str) -> dict[str, Any]:
        """Return what the page says of an issue besides its board."""
        publisher, changes = self._pages.desk.publisher, list[str]()
        if issue.approved_hash is not None and issue.state in EDITABLE:
            changes = changes_since_approval(issue, manifest(session, issue, publisher.settings, publisher.templates))
        others = select(Issue.number).where(col(Issue.state).in_(sorted(EDITABLE)), Issue.number != issue.number)
        shown = issue.number if number is None else self._pages.issue(session).number
        return {
            "issue": issue,
            "shown": shown,
            "is_shown": shown == issue.number,
            "changes": changes,
            "editable": issue.state in EDITABLE,
            "others": session.exec(others.order_by(col(Issue.number))).all(),
            "sections": {one.slug: pick(one.title, language) for one in publisher.settings.section},
        }


def _titles(board: Board) -> dict[str, str]:
    inside = [one for section in board.sections for one in section.articles]
    return {one.slug: one.title for one in (*inside, *board.outside)}


def _shift(session: Session, issue: Issue, slug: str, by: int, order: list[str]) -> None:
    """Move an article up or down within its section."""
    placed = store.order_of(session, issue)
    section = dict(placed).get(slug, "")
    mates = [group for group, place in placed if place == section]
    position = mates.index(slug) + 1 + by if slug in mates else 1
    edit.move_to(session, issue, edit.ArticlePosition(slug, section, max(1, position)), order)


def _place(session: Session, issue: Issue, act: Act, order: list[str]) -> None:
    """Move an article to a position in a section of the publication."""
    place = edit.ArticlePosition.parse(f"{act.slug}:{act.section}:{act.position}", set(order))
    edit.move_to(session, issue, place, order)


def routes(pages: DeskPages, clock: Clock) -> list[DeskRoute]:
    """Return the board's routes."""
    own = BoardPages(pages, clock)
    return [
        DeskRoute("GET", PATH, own.board, MAKERS),
        DeskRoute("POST", PATH, own.act, EDITORS),
        DeskRoute("POST", f"{PATH}/assemble", own.assemble, EDITORS),
        DeskRoute("GET", f"{PATH}/readers", own.readers, MAKERS),
    ]
