"""Build of an issue: each distinct edition for the present audience, rendered and checked. Nothing is stored."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime

from sqlmodel import Session

from digest.articles import store as article_store
from digest.editions import store as edition_store
from digest.editions.segment import Item, ReaderGroup, Segmentation, Selection, segment
from digest.editions.skipped_issues import earlier_issues, frequencies
from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.publish import archive, waivers
from digest.publish.approval import issue_hash, manifest
from digest.publish.audience import audience_of
from digest.publish.content_checks import content_findings, untranslated
from digest.publish.fragment_cache import NAME, FragmentCache
from digest.publish.publisher import Publisher
from digest.publish.renderer import IssueRenderer
from digest.render.checks import Finding, Severity, check_weight
from digest.render.content import EditionViews, IssueContent
from digest.render.context import EditionContext
from digest.render.edition import Rendered
from digest.runtime.errors import RefusedError
from digest.runtime.text import count_of
from subscribers.models import Frequency


@dataclass(frozen=True, slots=True)
class BuiltEdition:
    """A rendered edition with its reader groups and their number of readers."""

    selection: Selection
    rendered: Rendered
    views: EditionViews
    groups: tuple[ReaderGroup, ...] = ()
    readers: int = 0

    @property
    def context(self) -> EditionContext:
        """The context of its templates, before the rule of size chose how articles are shown."""
        return self.views.context(self.selection)

    @property
    def slugs(self) -> list[str]:
        return [slug for slug, _ in self.selection.shown]


@dataclass(frozen=True, slots=True)
class Build:
    """All editions of an issue for the present audience. Builds with equal keys are equal."""

    key: str
    issue: Issue
    content: IssueContent
    segmentation: Segmentation
    editions: tuple[BuiltEdition, ...]
    readers: Mapping[ReaderGroup, int]
    renderer: IssueRenderer
    content_findings: tuple[Finding, ...] = ()

    @property
    def located(self) -> list[tuple[int | None, Finding]]:
        """The findings, each with its edition's number in the matrix (from 1); None for the issue as a whole."""
        whole: list[tuple[int | None, Finding]] = [(None, finding) for finding in self.issue_findings]
        places = enumerate(self.editions, start=1)
        return whole + [(place, finding) for place, edition in places for finding in edition.rendered.findings]

    @property
    def issue_findings(self) -> list[Finding]:
        """The findings on the issue as a whole and on its articles."""
        findings = list(self.content_findings)
        if not self.content.articles:
            message, remedy = "The issue has no articles", "Import articles, or add some."
            findings.append(Finding("issue-empty", Severity.BLOCK, "issue", message, remedy))
        for group in self.segmentation.unanswered:
            message = (
                f"{count_of(self.readers[group], 'reader')} ({group.interests or 'no interests'}) would get an "
                "empty edition"
            )
            remedy = (
                'Set [editions] empty = "skip" or missing_translation = "original", or add an article for everyone.'
            )
            findings.append(Finding("edition-empty", Severity.BLOCK, "issue", message, remedy))
        if not self.editions and self.content.articles:
            message = "No reader would get it now"
            findings.append(Finding("no-readers", Severity.ADVISE, "issue", message, "Import readers."))
        return list(waivers.applied(findings, self.issue))

    @property
    def findings(self) -> list[Finding]:
        return [finding for _, finding in self.located]

    @property
    def blocking(self) -> list[Finding]:
        """The findings that forbid approval and sending."""
        return [finding for finding in self.findings if finding.severity == Severity.BLOCK and not finding.waived]


def content_of(session: Session, issue: Issue) -> IssueContent:
    """Read an issue's articles once, for all its editions."""
    items = issue_store.items_of(session, issue)
    groups = [item.group for item, _ in items]
    articles = issue_store.translations_of(session, groups)
    for group, by_language in articles.items():
        if group not in {article.slug for article in by_language.values()}:
            message = f"{group} in issue {issue.number} has become a translation of another article"
            hint = f"Undo that change, or assemble again: digest issue assemble --period {issue.period}"
            raise RefusedError(message, hint=hint)
    earlier = earlier_issues(session, issue)
    return IssueContent(issue, {item.group: item.section for item, _ in items}, articles, earlier)


def most_editions(publisher: Publisher, content: IssueContent) -> int:
    """Return how many editions there may be for readers of every issue, whatever they choose."""
    known = publisher.settings.catalogue
    topics = {known.parse(topic) for group in content.articles for topic in content.shown(group).topics}
    return int(len(publisher.settings.languages) * 2 ** len(topics - {frozenset()}))


def reader_groups(session: Session, issue: Issue, now: datetime) -> dict[ReaderGroup, int]:
    """Count the readers of the issue as of now by language and interests, and by frequency where it matters."""
    lacking = frequencies(session, issue)
    groups = Counter[ReaderGroup]()
    for group, count in audience_of(session, issue, now).readers.items():
        frequency = group.frequency if group.frequency in lacking else Frequency.EVERY.value
        groups[ReaderGroup(group.language, group.interests, frequency)] += count
    return dict(groups)


def build(publisher: Publisher, session: Session, issue: Issue, now: datetime, known: Build | None = None) -> Build:
    """Segment the present audience and render each distinct edition once, unless that is what is `known`."""
    readers = reader_groups(session, issue, now)
    key = _key(issue, manifest(session, issue, publisher.settings, publisher.templates), readers)
    if known is not None and known.key == key:
        return replace(known, issue=issue, content=replace(known.content, issue=issue))
    content = content_of(session, issue)
    items = items_for_segment(content)
    segmentation = segment(items, readers, publisher.settings.catalogue, publisher.rules, content.earlier)
    groups: dict[Selection, list[ReaderGroup]] = {selection: [] for selection in segmentation.distinct}
    for group, selection in segmentation.selections.items():
        if selection is not None:
            groups[selection].append(group)
    stored, renderer = stored_renderings(session, issue), renderer_of(publisher, content)
    rendered = _rendered(session, renderer, [one for one in groups if _identity(one) not in stored])
    built = [
        BuiltEdition(
            selection,
            stored.get(_identity(selection)) or rendered[selection],
            renderer.views(selection.language),
            tuple(chosen),
            sum(readers[group] for group in chosen),
        )
        for selection, chosen in groups.items()
    ]
    found = [
        *content_findings(publisher, content),
        *untranslated(publisher, content, list(dict.fromkeys(selection.language for selection in groups))),
        *archive.findings(content),
        *renderer.findings,
    ]
    return Build(key, issue, content, segmentation, tuple(built), readers, renderer, tuple(found))


def renderer_of(publisher: Publisher, content: IssueContent) -> IssueRenderer:
    """Return what renders the issue's editions, with the workspace's cache."""
    return IssueRenderer(publisher, content, fragments_of(publisher))


def fragments_of(publisher: Publisher) -> FragmentCache:
    """Return what the workspace keeps of earlier renderings."""
    return FragmentCache(publisher.settings.workspace / ".state" / NAME)


def _rendered(session: Session, renderer: IssueRenderer, selections: Sequence[Selection]) -> dict[Selection, Rendered]:
    """Render editions, each with the finding on what its pictures weigh."""
    renderer.prepare(selections)
    made = {selection: renderer.rendered(selection) for selection in selections}
    shown = frozenset[str]().union(*(one.pictures for one in made.values()))
    sizes = article_store.media_sizes(session, sorted(shown))
    for selection, one in made.items():
        pictures = {name: sizes.get(name, 0) for name in one.pictures}
        if weight := [*check_weight(one.html_bytes + one.text_bytes, pictures)]:
            made[selection] = renderer.waived(one, weight)
    renderer.save()
    return made


def _key(issue: Issue, parts: Mapping[str, str], readers: Mapping[ReaderGroup, int]) -> str:
    counted = [(*astuple(group), count) for group, count in readers.items()]
    state = [issue.number, str(issue.frozen_at), issue.kept_out]
    return hashlib.sha256(json.dumps([state, issue_hash(parts), counted]).encode()).hexdigest()


def stored_renderings(session: Session, issue: Issue) -> dict[tuple[object, ...], Rendered]:
    """Return the editions as they were frozen, none before: later changes of articles do not change them."""
    if issue.frozen_at is None or issue.id is None:
        return {}
    rows = edition_store.of_issue(session, issue.id)
    return {
        (row.language, row.frequency, tuple(row.articles)): Rendered(
            row.subject, row.preheader, tuple(html), tuple(text), row.nonce
        )
        for row, html, text in reversed([*edition_store.pieces_of(session, rows)])  # the first of equal ones
    }


def stored_rendering(session: Session, issue: Issue, selection: Selection) -> Rendered | None:
    """Return one edition as it was frozen, None if it was not."""
    return stored_renderings(session, issue).get(_identity(selection))


def _identity(selection: Selection) -> tuple[object, ...]:
    return selection.language, selection.frequency, tuple(slug for slug, _ in selection.shown)


def items_for_segment(content: IssueContent) -> list[Item]:
    items = []
    for group, by_language in content.articles.items():
        original = content.shown(group)
        slugs = {language: article.slug for language, article in by_language.items()}
        items.append(Item(group, content.sections[group], frozenset(original.topics), original.language, slugs))
    return items


def render_selection(
    publisher: Publisher, content: IssueContent, selection: Selection, *, archive: bool = False
) -> BuiltEdition:
    """Render one edition, without readers."""
    return without_readers(renderer_of(publisher, content), selection, archive=archive)


def without_readers(renderer: IssueRenderer, selection: Selection, *, archive: bool = False) -> BuiltEdition:
    """Return an edition that nobody gets, or the archive's."""
    rendered = renderer.rendered(selection, archive=archive)
    renderer.save()
    return BuiltEdition(selection, rendered, renderer.views(selection.language))


def selection_for(publisher: Publisher, session: Session, issue: Issue, group: ReaderGroup) -> Selection | None:
    """Return the selection for a reader group; None where the rule for empty editions sends nothing."""
    content = content_of(session, issue)
    found = segment(items_for_segment(content), [group], publisher.settings.catalogue, publisher.rules, content.earlier)
    return found.selections[group]
