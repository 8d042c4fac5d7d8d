"""Freeze of an approved issue: its editions and archive pages are stored, and one delivery planned per subscriber."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session

from digest.articles.store import keep_media
from digest.delivery.configured_pace import families_of
from digest.delivery.pace import spread
from digest.editions import store as edition_store
from digest.editions.models import Edition
from digest.editions.segment import ReaderGroup, Selection, select_articles
from digest.issues import store as issues
from digest.issues.lifecycle import IssueState, move
from digest.issues.models import Issue
from digest.outbox import plan
from digest.publish import archive
from digest.publish.approval import manifest, require_approved
from digest.publish.audience import exclusion_of
from digest.publish.build import Build, BuiltEdition, build, items_for_segment, renderer_of, without_readers
from digest.publish.publisher import FindingsBlockError, Publisher
from digest.publish.renderer import IssueRenderer
from digest.render.content import IssueContent
from digest.render.logo import logo_pictures
from digest.render.slots import uncut
from digest.runtime.clock import duration
from digest.runtime.errors import RefusedError
from digest.settings.percentages import size
from digest.settings.root import Settings
from subscribers.interests import ALL_TEXT
from subscribers.models import Frequency


def freeze(
    publisher: Publisher, session: Session, issue: Issue, now: datetime, known: Build | None = None
) -> plan.PlanResult:
    """Store the editions and plan one delivery per eligible subscriber, in the caller's transaction, `issue` locked.

    A `known` build is used if nothing changed since. Raises RefusedError unless it is what was approved and nothing
    blocks.
    """
    began = time.monotonic()
    made = sendable(publisher, session, issue, now, known)
    stored = _save(session, issue, made.editions, now)
    edition_ids = dict(zip((edition.selection for edition in made.editions), stored, strict=True))
    for picture in logo_pictures(publisher.settings):
        keep_media(session, picture, now=now)
    store_archive(publisher, session, made.content, now, made.renderer)
    issue.build_seconds = time.monotonic() - began
    mapping = {
        _stored_group(group): edition_ids[selection] if selection else None
        for group, selection in made.segmentation.selections.items()
    }
    assert issue.id is not None  # noqa: S101 - read from the database
    first = size(publisher.settings.delivery.canary, sum(edition.readers for edition in made.editions))
    rest_at = now + duration(publisher.settings.delivery.canary_wait) if first else None
    timing = timing_of(publisher.settings, rest_at or now)
    result = plan.freeze(session, issue.id, mapping, exclusion_of(session, issue, now), now, timing=timing)
    if rest_at is not None:
        plan.bring_forward(session, issue.id, first, now)
    issue.state, issue.rest_at = move(issue.number, issue.state, IssueState.FROZEN), rest_at
    issue.frozen_at, issue.excluded, issue.planned = now, dict(result.excluded), result.planned
    session.add(issue)
    return result


def _stored_group(group: ReaderGroup) -> tuple[str, ...]:
    """Return the reader group as the plan's key, with the frequency only where it makes a difference."""
    stored = (group.language, group.interests)
    return stored if group.frequency == Frequency.EVERY else (*stored, group.frequency)


def timing_of(settings: Settings, now: datetime) -> plan.Timing:
    """Return how deliveries are spread from `now` on, over [delivery] window, and the mailbox families."""
    window = duration(settings.delivery.window) if settings.delivery.window else timedelta(0)
    return plan.Timing(spread(now, window), families_of(settings))


def sendable(publisher: Publisher, session: Session, issue: Issue, now: datetime, known: Build | None = None) -> Build:
    """Return the editions if the issue may be frozen now: approved as what it is, and nothing blocks."""
    require_approved(issue, manifest(session, issue, publisher.settings, publisher.templates))
    if issue.corrects is not None and issues.find(session, issue.corrects).state != IssueState.SENT:
        hint = f"Wait until it is sent: digest outbox status {issue.corrects}"
        raise RefusedError(f"Issue {issue.corrects} is being sent again; more readers may get its article", hint=hint)
    made = build(publisher, session, issue, now, known)
    if blocking := made.blocking:
        raise FindingsBlockError(f"Issue {issue.number} was not sent: {blocking[0].message}")
    if not made.editions:  # without a recipient, its articles would be used up
        hint = "Import readers, or see why they are excluded: digest subscribers stats"
        raise RefusedError(f"Issue {issue.number} would reach no reader now", hint=hint)
    return made


def whole_for_archive(publisher: Publisher, content: IssueContent, language: str) -> Selection:
    """Return the selection for the archive: all articles but the kept-out ones."""
    items = [item for item in items_for_segment(content) if not content.shown(item.group).kept_out]
    return select_articles(items, ReaderGroup(language, ALL_TEXT), publisher.settings.catalogue, publisher.rules)


def store_archive(
    publisher: Publisher, session: Session, content: IssueContent, now: datetime, renderer: IssueRenderer | None = None
) -> None:
    """Store the archive edition of each language; stored ones stay as they are."""
    for language in publisher.settings.languages:
        whole = whole_for_archive(publisher, content, language)
        if not whole.shown:  # nothing is translated into it
            continue
        page = without_readers(renderer or renderer_of(publisher, content), whole, archive=True)
        (edition_id,) = _save(session, content.issue, [page], now, archive=True)
        archive.index(session, edition_id, content, whole)


def _save(
    session: Session, issue: Issue, editions: Sequence[BuiltEdition], now: datetime, *, archive: bool = False
) -> list[int]:
    assert issue.id is not None  # noqa: S101 - read from the database
    new = [to_store(issue.id, edition, now, archive=archive) for edition in editions]
    return edition_store.save_all(session, issue.id, new)


def to_store(issue_id: int, edition: BuiltEdition, now: datetime, *, archive: bool) -> edition_store.NewEdition:
    """Return the row of an edition and the pieces that its parts are stored in."""
    selection, rendered = edition.selection, edition.rendered
    row = Edition(
        issue_id=issue_id,
        content_hash="",
        created_at=now,
        archive=archive,
        language=selection.language,
        frequency=selection.frequency,
        articles=edition.slugs,
        subject=rendered.subject,
        preheader=rendered.preheader,
        nonce=rendered.nonce,
    )
    html, text = rendered.html_pieces, rendered.text_pieces
    return edition_store.NewEdition(row, uncut(html), uncut(text))
