"""Findings of the checks, each beside the field that it is about, and their waivers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from digest.accounts import audit
from digest.accounts.models import Role
from digest.issues import store as issues
from digest.publish import waivers
from digest.publish.dead_links import LINK_DEAD, LinkReport, check_links_of
from digest.render.checks import Finding, Severity
from digest.render.content import IssueContent
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError
from digest.web.desk.access import EDITORS, MAKERS, DeskForm, DeskRoute, Visiting
from digest.web.desk.pages import DeskPages

WAIVERS = frozenset({Role.EDITOR, Role.APPROVER})
MOST_OF_A_KIND = 20
LINK_SECONDS = 20.0
"""A person waits for the page meanwhile."""
_HEADING = re.compile(r"under “(.+)”$")
_FIELDS = {"title": "title", "image": "pictures", "apply": "apply_by", "link": "body", "placeholder": "body"}
_ISSUE_TEXTS = {"subject", "preheader", "intro"}
_OF_THE_LOOK = ("contrast", "theme", "postal", "footer", "logo")


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding, in how many editions it is, and the page where it can be corrected."""

    finding: Finding
    editions: int
    href: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """Findings of one kind; a waiver is for all of them."""

    id: str
    severity: Severity
    rows: tuple[FindingRow, ...]
    more: int
    waivable: bool
    waived: str


def kinds_of(located: Iterable[tuple[int | None, Finding]], content: IssueContent) -> list[FindingKind]:
    """Return findings by kind, those that block first. Pure."""
    editions: dict[Finding, int] = {}
    for place, finding in located:
        editions[finding] = editions.get(finding, 0) + (place is not None)
    grouped: dict[tuple[bool, bool, str], list[FindingRow]] = {}
    articles = _articles(content)
    for finding, count in editions.items():
        key = (bool(finding.waived), finding.severity != Severity.BLOCK, finding.id)
        grouped.setdefault(key, []).append(FindingRow(finding, count, *_place(finding, articles)))
    kinds = []
    for (waived, _, name), rows in sorted(grouped.items()):
        first = rows[0].finding
        waivable = waivers.may_stand(first) and not waived and name != LINK_DEAD
        shown = tuple(rows[:MOST_OF_A_KIND])
        kinds.append(FindingKind(name, first.severity, shown, len(rows) - len(shown), waivable, first.waived))
    return kinds


def _articles(content: IssueContent) -> Mapping[str, tuple[str, str]]:
    """Return slug and title of each article, by its slug, its title and the paths that a finding may name."""
    found: dict[str, tuple[str, str]] = {}
    for slug, article in content.by_slug.items():
        path = article.source_path or slug
        found |= dict.fromkeys((slug, path, f"articles/{path}", article.title), (slug, article.title))
    return found


def _place(finding: Finding, articles: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Return the path below the desk where a finding is corrected, and the article's title; empty without one."""
    heading = _HEADING.search(finding.where)
    where = heading[1] if heading else finding.where.split(":")[0]
    if where in articles:
        slug, title = articles[where]
        return f"/articles/{slug}#{_FIELDS.get(finding.id.split('-')[0], 'body')}", title
    if where in _ISSUE_TEXTS:
        return "/issue#texts", ""
    if finding.id.startswith(_OF_THE_LOOK):
        return "/look", ""
    return ("/issue", "") if where == "issue" else ("/preview", "")


class CheckPages:
    """Handlers of the findings."""

    def __init__(self, pages: DeskPages) -> None:
        self._pages = pages

    def check(self, visitor: Visiting, done: str = "") -> Response:
        """Show the findings."""
        return self._show(visitor, done=done)

    def waive(self, visitor: Visiting, form: DeskForm) -> Response:
        """Let the findings of a kind stand, for a reason."""
        name, reason, pages = form.one("id")[:100], form.one("reason")[:500], self._pages
        try:
            with session_scope(pages.app.engine) as session:
                issue = issues.editable(session, pages.issue(session).number)
                findings = pages.desk.look().made.findings
                waivers.waive(issue, findings, name, reason)
                self._record(session, visitor, "waive", issue.number, finding=name, reason=reason)
        except DigestError as error:
            return self._show(visitor, problem=error, typed=(name, reason))
        return pages.back("/check", done="waived")

    def links(self, visitor: Visiting) -> Response:
        """Look up the links on the internet, and show the dead ones among the findings."""
        look = self._pages.desk.look()
        report = check_links_of(look.publisher, look.made.content, seconds=LINK_SECONDS)
        return self._show(visitor, links=report)

    def undo(self, visitor: Visiting, form: DeskForm) -> Response:
        """Take back the waiver of a kind."""
        pages, name = self._pages, form.one("id")[:100]
        with session_scope(pages.app.engine) as session:
            issue = issues.editable(session, pages.issue(session).number)
            waivers.undo(issue, name)
            self._record(session, visitor, "waiver undone", issue.number, finding=name)
        return pages.back("/check", done="undone")

    def _record(self, session: Any, visitor: Visiting, what: str, number: int, **details: str) -> None:
        now = self._pages.app.clock.now()
        audit.record(session, visitor.actor, what, f"issue {number}", now=now, **details)

    def _show(
        self, visitor: Visiting, problem: DigestError | None = None, links: LinkReport | None = None, **values: Any
    ) -> Response:
        look = self._pages.desk.look()
        dead: list[tuple[int | None, Finding]] = [(None, one) for one in links.dead] if links else []
        kinds = kinds_of([*look.made.located, *dead], look.made.content)
        return self._pages.show(
            visitor,
            "desk_check",
            status=409 if problem else 200,
            issue=look.issue,
            approved=look.issue.approved_hash is not None and not look.changed,
            kinds=kinds,
            may_waive=visitor.may(WAIVERS),
            may_look_up=visitor.may(EDITORS),
            links=links,
            troubles=look.troubles,
            problem=problem,
            **{"done": "", "typed": ("", ""), **values},
        )


def routes(pages: DeskPages) -> list[DeskRoute]:
    """Return the routes of the findings."""
    own = CheckPages(pages)
    return [
        DeskRoute("GET", "/check", own.check, MAKERS),
        DeskRoute("POST", "/check/links", own.links, EDITORS),
        DeskRoute("POST", "/check/waive", own.waive, WAIVERS),
        DeskRoute("POST", "/check/undo", own.undo, WAIVERS),
    ]
