"""State of the preview: imports changed files and builds the issue again for each request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from sqlmodel import Session

from digest.articles.importing import ArticleImportReport
from digest.editions.segment import ReaderGroup, Selection, segment
from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.publish.approval import changes_since_approval, issue_hash, manifest
from digest.publish.build import (
    Build,
    BuiltEdition,
    build,
    content_of,
    fragments_of,
    items_for_segment,
    without_readers,
)
from digest.publish.freeze import whole_for_archive
from digest.publish.publisher import Publisher
from digest.publish.renderer import IssueRenderer
from digest.render.content import IssueContent
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope
from digest.runtime.errors import DigestError
from digest.settings.root import CONFIG_NAME
from digest.web.desk.file_changes import ARTICLES, TEMPLATES, Stamp, stamp

MOST_FRAGMENTS = 20_000
"""Fragments kept in memory, also of earlier texts; then those on disk are read again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem in the workspace that an editor must correct: its place, a message and a hint."""

    place: str
    message: str
    hint: str = ""
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Focus:
    """An issue's content with what renders it: single editions, without a build of all."""

    publisher: Publisher
    content: IssueContent
    renderer: IssueRenderer
    rendered: dict[tuple[Selection, bool], BuiltEdition]

    def edition_for(self, group: ReaderGroup, known: Sequence[BuiltEdition] = ()) -> BuiltEdition | None:
        """Return the edition of a group, whether or not it has subscribers; None if no mail is sent to it."""
        items, catalogue, rules = (
            items_for_segment(self.content),
            self.publisher.settings.catalogue,
            self.publisher.rules,
        )
        selection = segment(items, [group], catalogue, rules, self.content.earlier).selections[group]
        if selection is None:
            return None
        found = next((edition for edition in known if edition.selection == selection), None)
        return found or self._rendered(selection, archive=False)

    def whole(self, language: str) -> BuiltEdition:
        """Return the whole issue, as in the archive."""
        return self._rendered(whole_for_archive(self.publisher, self.content, language), archive=True)

    def _rendered(self, selection: Selection, *, archive: bool) -> BuiltEdition:
        if (selection, archive) not in self.rendered:
            edition = without_readers(self.renderer, selection, archive=archive)
            self.rendered[selection, archive] = edition
        return self.rendered[selection, archive]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A build of the issue, with the problems of the last import."""

    publisher: Publisher
    made: Build
    troubles: tuple[Trouble, ...]
    rendered: dict[tuple[Selection, bool], BuiltEdition]
    changed: Sequence[str] = ()  # since the approval

    @property
    def issue(self) -> Issue:
        """The shown issue."""
        return self.made.issue

    @property
    def _focus(self) -> Focus:
        return Focus(self.publisher, self.made.content, self.made.renderer, self.rendered)

    def edition_for(self, group: ReaderGroup) -> BuiltEdition | None:
        """Return the edition of a group, whether or not it has subscribers; None if no mail is sent to it."""
        return self._focus.edition_for(group, self.made.editions)

    def whole(self, language: str) -> BuiltEdition:
        """Return the whole issue, as in the archive."""
        return self._focus.whole(language)


class Desk:
    """Follows changes in the workspace; requests are serialised and share a build."""

    def __init__(
        self,
        publisher: Publisher,
        number: int | None,
        clock: Clock,
        reimport: Callable[[], ArticleImportReport] | None = None,
        reload: Callable[[], Publisher] | None = None,
        *,
        root: str = "",
        media: str = "/media/",
        follows: bool = True,
    ) -> None:
        self.publisher = publisher
        self.root, self.media = root, media  # paths of the pages and of the pictures
        self.follows = follows  # open pages are told when a file changes
        self.number = number
        self._clock = clock
        self._reimport = reimport
        self._reload = reload
        self._lock = Lock()
        self._configured = self._configuration()
        self._imported: Stamp | None = None  # so that what was written before the start is imported too
        self._of_configuration: tuple[Trouble, ...] = ()
        self._of_articles: tuple[Trouble, ...] = ()
        self._building, self._focusing = Lock(), Lock()
        self._made: Build | None = None
        self._focus: tuple[str, Focus] | None = None
        self._fragments: dict[str, Any] = {}
        self._rendered: dict[tuple[Selection, bool], BuiltEdition] = {}

    def follow(self) -> None:
        """Import changed files and read changed configuration, without a build."""
        with self._lock:
            self._follow_configuration()
            self._follow_articles()

    def look(self) -> Snapshot:
        """Return the current issue. Raises NotFoundError without an issue, ContentError for a broken template."""
        with self._building:
            publisher = self.current()
            with session_scope(publisher.engine, read_only=True) as session:
                made, changed = self._build(publisher, session)
            return Snapshot(publisher, made, self.troubles(), self._rendered, changed)

    def one_edition(self, find: Callable[[Focus | Snapshot], BuiltEdition | None]) -> BuiltEdition | None:
        """Return what `find` asks for of the current issue, without waiting for a build of all its editions.

        A frozen issue has its editions as they were stored, which a build reads.
        """
        with self._focusing:
            publisher = self.current()
            with session_scope(publisher.engine, read_only=True) as session:
                issue = issue_store.find(session, self.number)
                if issue.frozen_at is None:
                    return find(self._focus_on(publisher, session, issue))
        return find(self.look())

    def _focus_on(self, publisher: Publisher, session: Session, issue: Issue) -> Focus:
        """Return the present content; its fragments stay in memory from one change to the next."""
        key = f"{issue.number} {issue_hash(manifest(session, issue, publisher.settings, publisher.templates))}"
        if self._focus is None or self._focus[0] != key:
            if not 0 < len(self._fragments) < MOST_FRAGMENTS:
                self._fragments = dict(fragments_of(publisher))
            content = content_of(session, issue)
            renderer = IssueRenderer(publisher, content, self._fragments)
            if self._focus is not None:
                self._focus[1].renderer.hand_over(renderer, content)
            self._focus = key, Focus(publisher, content, renderer, {})
        return self._focus[1]

    def current(self) -> Publisher:
        """Take in what changed in the workspace, without a build."""
        with self._lock:
            self._follow_configuration()
            self._follow_articles()
            return self.publisher

    def troubles(self) -> tuple[Trouble, ...]:
        """Return the problems that the last `look` found."""
        return self._of_configuration + self._of_articles

    def _build(self, publisher: Publisher, session: Session) -> tuple[Build, list[str]]:
        """Build the issue, unless nothing changed: a page with four frames makes five requests.

        Return also what changed since its approval.
        """
        issue = issue_store.find(session, self.number)
        made = build(publisher, session, issue, self._clock.now(), self._made)
        if self._made is None or self._made.key != made.key:
            self._rendered = {}  # requested editions without recipients, and the archive's
        self._made = made
        parts = manifest(session, issue, publisher.settings, publisher.templates)
        return made, changes_since_approval(issue, parts)

    def _configuration(self) -> Stamp:
        workspace = self.publisher.settings.workspace
        return stamp(workspace / CONFIG_NAME, workspace / TEMPLATES)

    def _follow_configuration(self) -> None:
        if self._reload is None or (seen := self._configuration()) == self._configured:
            return
        self._configured = seen
        try:
            self.publisher = replace(self._reload(), engine=self.publisher.engine)
            self._of_configuration = ()
        except DigestError as error:
            self._of_configuration = (_trouble(CONFIG_NAME, error, "The last valid configuration stays in use."),)

    def _follow_articles(self) -> None:
        if self._reimport is None:
            return
        seen = stamp(self.publisher.settings.workspace / ARTICLES)
        if seen == self._imported:
            return
        self._imported = seen
        try:
            self._of_articles = tuple(_troubles(self._reimport(), self.publisher.settings.workspace))
        except DigestError as error:
            self._of_articles = (_trouble(ARTICLES, error),)


def _troubles(report: ArticleImportReport, workspace: Path) -> list[Trouble]:
    found = []
    for problem in report.problems:
        line = "" if problem.line is None else f":{problem.line}"
        found.append(Trouble(_within(workspace, problem.path) + line, problem.message, problem.hint))
    for conflict in report.conflicts:
        message = f"{conflict.slug} changed both in its file and in the database; the database's text is shown"
        hint = "Copy the changes that you want to keep, or import with --overwrite."
        found.append(Trouble(_within(workspace, conflict.path), message, hint, conflict.diff))
    return found


def _within(workspace: Path, path: str) -> str:
    return Path(path).relative_to(workspace).as_posix() if Path(path).is_relative_to(workspace) else path


def _trouble(place: str, error: DigestError, more: str = "") -> Trouble:
    return Trouble(place, error.message, " ".join(part for part in (error.hint, more) if part))
