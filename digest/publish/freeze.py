"""What is done to an issue on its way: assemble, build, approve, freeze, withdraw. `digest.schedule.run` is the run."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from sqlalchemy import Engine, delete, exists, func
from sqlmodel import Session, col, select

from digest.delivery.families import families
from digest.delivery.pace import spread
from digest.editions import store as edition_store
from digest.editions.segment import EmptyRule, Item, Reading, Rules, Segmentation, Selection, segment, select_articles
from digest.editions.skipped_issues import earlier_issues, frequencies
from digest.issues import store as issue_store
from digest.issues.assemble import SectionRule
from digest.issues.lifecycle import IssueState, move
from digest.issues.models import Issue, IssueItem
from digest.issues.period import Period
from digest.outbox import operations, plan
from digest.outbox.models import Attempt, Delivery
from digest.publish import archive
from digest.publish.approval import approve as record_approval
from digest.publish.approval import manifest, require_approved
from digest.render.checks import Finding, Severity
from digest.render.content import IssueContent, edition_context
from digest.render.context import EditionContext
from digest.render.edition import Rendered, render_edition
from digest.render.loader import Templates
from digest.runtime.clock import duration
from digest.runtime.errors import RefusedError
from digest.settings.root import Settings
from digest.settings.shares import size
from subscribers import audience
from subscribers.audience import exclusion_reason
from subscribers.interests import ALL_TEXT, Catalogue
from subscribers.models import Frequency, Subscriber


class FindingsBlockError(RefusedError):
    """The checks found something that must be mended first."""

    default_hint = "`digest issue check` lists the findings with their remedies."


@dataclass(frozen=True)
class Press:
    """What every step needs: the configuration, the database and the templates."""

    settings: Settings
    engine: Engine
    templates: Templates

    @cached_property
    def catalogue(self) -> Catalogue:
        """The interests that readers may follow."""
        return Catalogue([i.slug for i in self.settings.interest], {i.slug: i.was for i in self.settings.interest})

    @cached_property
    def rules(self) -> Rules:
        """The publication's edition rules."""
        editions = self.settings.editions
        return Rules(EmptyRule(editions.empty), editions.missing_translation == "omit", self.settings.languages)

    @property
    def sections(self) -> list[SectionRule]:
        """The publication's sections, in order."""
        return [SectionRule(section.slug, section.cap) for section in self.settings.section]


@dataclass(frozen=True, slots=True)
class BuiltEdition:
    """One edition, rendered, with the groups of readers that get it."""

    selection: Selection
    context: EditionContext
    rendered: Rendered
    readings: tuple[Reading, ...]
    readers: int

    @property
    def slugs(self) -> list[str]:
        """The articles shown, in order."""
        return [slug for slug, _ in self.selection.shown]


@dataclass(frozen=True, slots=True)
class Build:
    """All editions of an issue for the audience of now. Nothing of it is stored."""

    issue: Issue
    content: IssueContent
    segmentation: Segmentation
    editions: tuple[BuiltEdition, ...]
    readers: Mapping[Reading, int]
    content_findings: tuple[Finding, ...] = ()

    @property
    def located(self) -> list[tuple[int | None, Finding]]:
        """What the checks say, with the edition's place in the matrix (from 1); None for the issue as a whole."""
        whole: list[tuple[int | None, Finding]] = [(None, finding) for finding in _issue_findings(self)]
        places = enumerate(self.editions, start=1)
        return whole + [(place, finding) for place, edition in places for finding in edition.rendered.findings]

    @property
    def findings(self) -> list[Finding]:
        """What the checks say about the issue and each of its editions."""
        return [finding for _, finding in self.located]

    @property
    def blocking(self) -> list[Finding]:
        """Those findings that forbid approving and sending."""
        return [finding for finding in self.findings if finding.severity == Severity.BLOCK]


def assemble(
    press: Press, session: Session, period: Period, *, number: int | None, issue_date: date, now: datetime
) -> Issue:
    """Make the draft for `period`, or choose afresh for the one that exists."""
    return issue_store.assemble_issue(session, period, press.sections, number=number, issue_date=issue_date, now=now)


def content_of(session: Session, issue: Issue) -> IssueContent:
    """Read an issue's articles once, for all its editions."""
    items = issue_store.items_of(session, issue)
    groups = [item.group for item, _ in items]
    articles = issue_store.translations_of(session, groups)
    for group, by_language in articles.items():
        if group not in {article.slug for article in by_language.values()}:
            hint = f"Put it right, or choose afresh: digest issue assemble --period {issue.period}"
            raise RefusedError(
                f"{group} in issue {issue.number} has become a translation of another article", hint=hint
            )
    earlier = earlier_issues(session, issue.number)
    return IssueContent(issue, {item.group: item.section for item, _ in items}, articles, earlier)


def readings_of(session: Session, number: int, now: datetime) -> dict[Reading, int]:
    """Return who would get the issue now, counted by language and interests; by frequency where it matters."""
    lacking = frequencies(session, number)
    by = (col(Subscriber.language), col(Subscriber.interests), col(Subscriber.frequency))
    query = select(*by, func.count()).where(exclusion_reason(now, number).is_(None)).group_by(*by).order_by(*by)
    readings = Counter[Reading]()
    for language, interests, frequency, count in session.exec(query):
        readings[Reading(language, interests, frequency if frequency in lacking else Frequency.EVERY.value)] += count
    return dict(readings)


def build(press: Press, session: Session, issue: Issue, now: datetime) -> Build:
    """Segment the audience of now and render each distinct edition once."""
    content = content_of(session, issue)
    readers = readings_of(session, issue.number, now)
    segmentation = segment(items_for_segment(content), readers, press.catalogue, press.rules, content.earlier)
    built = []
    for selection in segmentation.distinct:
        readings = tuple(reading for reading, chosen in segmentation.selections.items() if chosen == selection)
        count = sum(readers[reading] for reading in readings)
        context, rendered = render_selection(press, content, selection)
        rendered = stored_rendering(session, issue, selection) or rendered
        built.append(BuiltEdition(selection, context, rendered, readings, count))
    return Build(issue, content, segmentation, tuple(built), readers, _content_findings(press, content))


def stored_rendering(session: Session, issue: Issue, selection: Selection) -> Rendered | None:
    """Return the edition as it was frozen: from then on articles may change, what is sent and shown may not."""
    if issue.frozen_at is None or issue.id is None:
        return None
    slugs = [slug for slug, _ in selection.shown]
    for row in edition_store.of_issue(session, issue.id):
        same = row.language == selection.language and row.frequency == selection.frequency
        if same and row.articles == slugs:
            return Rendered(row.subject, row.preheader, row.html, row.text, row.nonce)
    return None


def _content_findings(press: Press, content: IssueContent) -> tuple[Finding, ...]:
    known, findings = {section.slug for section in press.settings.section}, []
    for slug in sorted(set(content.sections.values()) - known):
        remedy = f"Put [[section]] slug = {slug!r} back into digest.toml, or assemble the issue again."
        message = f"The publication has no section {slug!r} any more, but articles of the issue stand in it"
        findings.append(Finding("section-unknown", Severity.BLOCK, "issue", message, remedy))
    for group, by_language in content.articles.items():
        if press.rules.omit_untranslated and not set(by_language) & set(press.rules.languages):
            remedy = "Drop it (digest issue edit --drop), translate it, or publish in its language."
            message = f"{group} is in no edition: it exists in {', '.join(sorted(by_language))} only"
            findings.append(Finding("article-in-no-edition", Severity.BLOCK, "issue", message, remedy))
    return (*findings, *archive.findings(content))


def items_for_segment(content: IssueContent) -> list[Item]:
    """Return what the segmentation needs of each article of the issue."""
    items = []
    for group, by_language in content.articles.items():
        original = content.shown(group)
        slugs = {language: article.slug for language, article in by_language.items()}
        items.append(Item(group, content.sections[group], frozenset(original.topics), original.language, slugs))
    return items


def render_selection(
    press: Press, content: IssueContent, selection: Selection, *, archive: bool = False
) -> tuple[EditionContext, Rendered]:
    """Render one edition; the same content gives the same bytes."""
    translate = press.templates.translate(selection.language)
    context = edition_context(content, selection, press.settings, translate, archive=archive)
    return context, render_edition(context, press.templates)


def approve(press: Press, session: Session, issue: Issue, by: str, now: datetime) -> bool:
    """Approve the issue as it is now, unless a finding blocks; False when a second person has to approve it too."""
    blocking = build(press, session, issue, now).blocking
    if blocking:
        raise FindingsBlockError(f"Issue {issue.number} cannot be approved: {blocking[0].message}")
    parts = manifest(session, issue, press.settings, press.templates)
    session.add(issue)
    return record_approval(issue, by, parts, required=press.settings.approval.required, now=now)


def freeze(press: Press, session: Session, issue: Issue, now: datetime) -> plan.PlanResult:
    """Fix the audience and the editions: one transaction, the caller's. `issue` is locked.

    Approved, equal to what was approved, every edition checked; then one delivery per eligible subscriber.
    """
    began = time.monotonic()
    made = sendable(press, session, issue, now)
    edition_ids = _store_editions(press, session, made, now)
    issue.build_seconds = time.monotonic() - began
    mapping = {
        _group(reading): edition_ids[selection] if selection else None
        for reading, selection in made.segmentation.selections.items()
    }
    assert issue.id is not None  # noqa: S101 - read from the database
    first = size(press.settings.delivery.canary, sum(edition.readers for edition in made.editions))
    rest_at = now + duration(press.settings.delivery.canary_wait) if first else None
    timing = timing_of(press.settings, rest_at or now)
    result = plan.freeze(session, issue.id, mapping, exclusion_reason(now, issue.number), now, timing=timing)
    if rest_at is not None:
        plan.bring_forward(session, issue.id, first, now)
    issue.state, issue.rest_at = move(issue.number, issue.state, IssueState.FROZEN), rest_at
    issue.frozen_at, issue.excluded, issue.planned = now, dict(result.excluded), result.planned
    session.add(issue)
    return result


def _group(reading: Reading) -> tuple[str, ...]:
    """A group of readers as the plan knows it: the frequency stands in it where it makes a difference."""
    group = (reading.language, reading.interests)
    return group if reading.frequency == Frequency.EVERY else (*group, reading.frequency)


def timing_of(settings: Settings, now: datetime) -> plan.Timing:
    """Return how the audience is spread from `now` on: over [delivery] window, and which domains are one family."""
    window = duration(settings.delivery.window) if settings.delivery.window else timedelta(0)
    added = {name: family.domains for name, family in settings.delivery.families.items()}
    return plan.Timing(spread(now, window), families(added))


def sendable(press: Press, session: Session, issue: Issue, now: datetime) -> Build:
    """Return the editions if the issue may be frozen now: approved as what it is, and nothing blocks."""
    require_approved(issue, manifest(session, issue, press.settings, press.templates))
    made = build(press, session, issue, now)
    if made.blocking:
        raise FindingsBlockError(f"Issue {issue.number} is not sent: {made.blocking[0].message}")
    if not made.editions:  # sent to nobody, its articles would be used up
        hint = "Import readers; `digest subscribers stats` says who is excluded, and why."
        raise RefusedError(f"Issue {issue.number} has no reader now", hint=hint)
    return made


def selection_for(press: Press, session: Session, issue: Issue, reading: Reading) -> Selection | None:
    """Return what such a reader would get; None where the rule for empty editions sends nothing."""
    content = content_of(session, issue)
    found = segment(items_for_segment(content), [reading], press.catalogue, press.rules, content.earlier)
    return found.selections[reading]


def _store_editions(press: Press, session: Session, made: Build, now: datetime) -> dict[Selection, int]:
    ids = {edition.selection: _save(session, made.issue, edition, now) for edition in made.editions}
    store_archive(press, session, made.content, now)
    return ids


def whole_for_archive(press: Press, content: IssueContent, language: str) -> Selection:
    """Return the whole issue as the archive shows it: without what is kept out of it."""
    items = [item for item in items_for_segment(content) if not content.shown(item.group).kept_out]
    return select_articles(items, Reading(language, ALL_TEXT), press.catalogue, press.rules)


def store_archive(press: Press, session: Session, content: IssueContent, now: datetime) -> None:
    """Store the whole issue in each language, but for what is kept out; what is stored already stays as it is."""
    for language in press.settings.languages:
        whole = whole_for_archive(press, content, language)
        if not whole.shown:  # nothing is translated into it
            continue
        context, rendered = render_selection(press, content, whole, archive=True)
        edition_id = _save(session, content.issue, BuiltEdition(whole, context, rendered, (), 0), now, archive=True)
        archive.index(session, edition_id, content, whole)


def _save(session: Session, issue: Issue, edition: BuiltEdition, now: datetime, *, archive: bool = False) -> int:
    assert issue.id is not None  # noqa: S101 - read from the database
    rendered = edition.rendered
    row = edition_store.new(
        issue.id,
        now,
        archive=archive,
        language=edition.selection.language,
        frequency=edition.selection.frequency,
        articles=edition.slugs,
        subject=rendered.subject,
        preheader=rendered.preheader,
        nonce=rendered.nonce,
        html=rendered.html,
        text=rendered.text,
    )
    return edition_store.save(session, row)


def _issue_findings(made: Build) -> list[Finding]:
    findings = list(made.content_findings)
    if not made.content.articles:
        findings.append(
            Finding("issue-empty", Severity.BLOCK, "issue", "The issue has no article", "Import articles, or add some.")
        )
    for reading in made.segmentation.unanswered:
        message = f"{made.readers[reading]} readers ({reading.interests or 'no interests'}) would get an empty edition"
        remedy = 'Set [editions] empty = "skip" or missing_translation = "original", or add an article for everyone.'
        findings.append(Finding("edition-empty", Severity.BLOCK, "issue", message, remedy))
    if not made.editions and made.content.articles:
        findings.append(Finding("no-readers", Severity.ADVISE, "issue", "Nobody would get it now", "Import readers."))
    return findings


def start_sending(session: Session, issue: Issue) -> None:
    """Let workers take deliveries of a frozen issue; a person's resend may have re-opened it already."""
    if issue.state == IssueState.FROZEN:
        issue.state = move(issue.number, issue.state, IssueState.SENDING)
        session.add(issue)


def withdraw(session: Session, issue: Issue, now: datetime) -> int:
    """Stop the issue for good; return how many deliveries were cancelled. `issue` is locked.

    Its number stays its own. Its articles are free for another issue only if nothing of it was ever attempted.
    """
    assert issue.id is not None  # noqa: S101 - read from the database
    issue.state = move(issue.number, issue.state, IssueState.WITHDRAWN)
    session.add(issue)
    session.flush()
    cancelled = operations.withdraw(session, issue.id, now)
    tried = exists().where(col(Attempt.delivery_id) == Delivery.id, col(Delivery.issue_id) == issue.id)
    if not session.exec(select(tried)).one():
        freed = [
            {"slug": item.group, "reason": "freed by the withdrawal"}
            for item, _ in issue_store.items_of(session, issue)
        ]
        session.execute(delete(IssueItem).where(col(IssueItem.issue_id) == issue.id))
        issue.left_out = [*issue.left_out, *freed]
    return cancelled


def exclusions(session: Session, issue: Issue, now: datetime) -> dict[str, int]:
    """Return how many people would not get the issue now, by reason."""
    return audience.exclusions(session, now, issue.number)
