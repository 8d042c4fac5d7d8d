"""Verification of a frozen issue: its stored editions against their hashes and against a build from what is there."""

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlmodel import Session, select

from digest.editions import fragments
from digest.editions import store as edition_store
from digest.editions.fragments import FragmentFault
from digest.editions.models import ArchivedArticle, Edition
from digest.editions.segment import Selection
from digest.issues.models import Issue
from digest.publish.approval import differences, manifest
from digest.publish.build import content_of, items_for_segment, without_readers
from digest.publish.freeze import to_store
from digest.publish.publisher import Publisher
from digest.publish.renderer import IssueRenderer
from digest.render.content import IssueContent
from digest.runtime.db import REPAIR
from digest.runtime.errors import DigestError, RefusedError


class Differing(StrEnum):
    """What is not as it was when the issue was frozen."""

    FRAGMENT = "fragment"
    EDITION = "edition"
    SOURCES = "sources"
    BUILD = "build"

    @property
    def remedy(self) -> str:
        match self:
            case Differing.FRAGMENT | Differing.EDITION:
                return REPAIR
            case Differing.SOURCES:
                return (
                    "No action is needed: readers and the archive get what is stored, which these changes do "
                    "not affect."
                )
        return (
            "If digestpress or a renderer has been upgraded since, no action is needed: what is stored is "
            "what was frozen."
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: the ids of the editions that have it, and the fragment and article that it is about, if known."""

    what: Differing
    message: str
    editions: Sequence[int]
    fragment: int | None = None
    article: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """The result. `changed` says what the sources differ in from what was approved, whether or not it shows."""

    issue: int
    editions: int
    changed: Sequence[str]
    differs: Sequence[Difference]

    def as_json(self) -> dict[str, object]:
        return {"issue": self.issue, "equal": not self.differs} | {
            "editions": self.editions,
            "changed": self.changed,
            "differs": [asdict(one) for one in self.differs],
        }


def verify(publisher: Publisher, session: Session, issue: Issue) -> Verification:
    """Compare what is stored of a frozen issue with its hashes and with its present sources; store nothing."""
    if issue.frozen_at is None or issue.id is None:
        hint = "Stored editions exist once an issue is frozen, by: digest send"
        raise RefusedError(f"Issue {issue.number} is {issue.state} and has no stored editions", hint=hint)
    rows = [*edition_store.of_issue(session, issue.id), *edition_store.of_issue(session, issue.id, archive=True)]
    faults = fragments.faults(session, issue.id)
    differs = [*_of_fragments(session, issue.id, faults), *_of_editions(session, rows, faults)]
    current = manifest(session, issue, publisher.settings, publisher.templates)
    changed = differences(issue.approved_manifest or {}, current)
    differs += _of_sources(publisher, session, issue, rows, changed)
    return Verification(issue.number, len(rows), changed, differs)


def _of_fragments(session: Session, issue_id: int, faults: Iterable[FragmentFault]) -> Iterator[Difference]:
    for fault in faults:
        article = _article_in(session, issue_id, fault.content)
        about = f", of the article {article}" if article else ""
        yield Difference(Differing.FRAGMENT, f"{fault}{about}".capitalize(), fault.editions, fault.number, article)


def _article_in(session: Session, issue_id: int, content: str) -> str | None:
    """Return the one article of the issue whose title stands in a fragment."""
    query = select(ArchivedArticle.group, ArchivedArticle.title).join(Edition).where(Edition.issue_id == issue_id)
    words = " ".join(html.unescape(content).split())
    found = {group for group, title in session.exec(query) if " ".join(title.split()) in words}
    return found.pop() if len(found) == 1 else None


def _of_editions(session: Session, rows: Sequence[Edition], faults: Sequence[FragmentFault]) -> Iterator[Difference]:
    """Yield the editions that differ from their hash by more than a fragment that was named."""
    named = {edition for fault in faults for edition in fault.editions}
    sound = [row for row in rows if row.id not in named]
    changed = [row.id for row, digest in edition_store.hashes(session, sound) if row.id and digest != row.content_hash]
    if changed:
        message = "The subject, articles or parts differ from what was frozen: the hash does not match"
        yield Difference(Differing.EDITION, message, changed)


def _of_sources(
    publisher: Publisher, session: Session, issue: Issue, rows: Iterable[Edition], changed: Sequence[str]
) -> Iterator[Difference]:
    try:
        content = content_of(session, issue)
    except DigestError as error:
        yield Difference(
            Differing.SOURCES, f"The editions cannot be built: {error.message}", [row.id or 0 for row in rows]
        )
        return
    failed: dict[str, list[int]] = {}
    renderer = IssueRenderer(publisher, content)  # without the cache: what it holds would prove nothing
    for row in rows:
        if why := _why_other(renderer, content, row, changed):
            failed.setdefault(why, []).append(row.id or 0)
    what = Differing.SOURCES if changed else Differing.BUILD
    for message, ids in failed.items():
        yield Difference(what, message, ids)


def _why_other(renderer: IssueRenderer, content: IssueContent, row: Edition, changed: Sequence[str]) -> str:
    """Return why an edition built from present sources is not the stored one; empty if it is."""
    selection = selection_of(renderer.publisher, content, row)
    if missing := set(row.articles) - {slug for slug, _ in selection.shown}:
        return f"The editions cannot be built: the issue no longer has {', '.join(sorted(missing))}"
    try:
        built = without_readers(renderer, selection, archive=row.archive)
    except DigestError as error:
        return f"The editions cannot be built: {error.message}"
    new = to_store(row.issue_id, built, row.created_at, archive=row.archive)
    if edition_store.content_hash(new.row, new.html, new.text) == row.content_hash:
        return ""
    if changed:
        return f"The original editions cannot be rebuilt: {'; '.join(changed)}"
    return "The sources are as approved, but a new build differs"


def selection_of(publisher: Publisher, content: IssueContent, row: Edition) -> Selection:
    """Return the selection that a stored edition was made for; an archive page names no article that it leaves out."""
    stored = set(row.articles)
    shown, left_out = dict[str, str](), []
    for item in items_for_segment(content):
        slug = item.slugs.get(row.language)
        if (slug or item.slugs[item.language]) in stored:
            shown[slug or item.slugs[item.language]] = item.section
        elif not row.archive and (slug or not publisher.rules.omit_untranslated or row.language == item.language):
            left_out.append(item.group)
    return Selection(row.language, tuple(shown.items()), tuple(left_out), row.frequency)
