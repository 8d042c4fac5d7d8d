"""Corrections: a special issue with a new article, for exactly the readers who have the faulty one.

What was sent and what the archive shows of it stay as they are; its page names the correction once that is published.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import func
from sqlmodel import Session, col, select

from digest.articles import store as article_store
from digest.articles.draft import MAX_SLUG, Draft
from digest.articles.models import Article
from digest.editions.models import Edition
from digest.issues import edit
from digest.issues import store as issue_store
from digest.issues.lifecycle import UNFINISHED, IssueState
from digest.issues.models import Issue, IssueItem
from digest.outbox.models import Delivery
from digest.outbox.states import SkipReason, State
from digest.publish.audience import HAVE_IT, CarryingEdition, IssueAudience, audience_of, carrying
from digest.publish.publisher import Publisher
from digest.runtime.errors import NotFoundError, RefusedError


@dataclass(frozen=True, slots=True)
class ReachedEdition:
    """An edition that shows the article: how many readers have it or may have it, and of how many that is uncertain."""

    id: int
    language: str
    readers: int
    uncertain: int


@dataclass(frozen=True, slots=True)
class HeldArticle:
    """An article of a sent issue, and how many readers have it or may have it."""

    group: str
    title: str
    language: str
    readers: int


@dataclass(frozen=True, slots=True)
class Correctable:
    """An article of a sent issue that can be corrected: who has it, and who would get the correction now."""

    number: int
    group: str
    title: str
    editions: Sequence[ReachedEdition]
    audience: IssueAudience
    slugs: Sequence[str]

    @property
    def reached(self) -> int:
        """How many readers have the article, or may have it."""
        return sum(edition.readers for edition in self.editions)

    @property
    def readers(self) -> int:
        """How many of them would get the correction now."""
        return sum(self.audience.readers.values())

    @property
    def missed(self) -> dict[str, int]:
        """How many of them would not, by reason."""
        reasons = self.audience.excluded.items()
        return {reason: number for reason, number in reasons if reason != SkipReason.UNAFFECTED}

    def as_json(self) -> dict[str, object]:
        """Return it for scripts; `excluded` also counts the readers who do not have the article."""
        return {
            "corrects": self.number,
            "article": self.group,
            "editions": [asdict(edition) for edition in self.editions],
            "reached": self.reached,
            "readers": self.readers,
            "excluded": dict(self.audience.excluded),
        }


def correctable(session: Session, number: int, slug: str, now: datetime) -> Correctable:
    """Return what correcting an article of a sent issue would mean; `slug` may be that of a translation.

    Raises NotFoundError, and RefusedError where there is nothing to correct or somebody is at it already.
    """
    issue, article = issue_store.find(session, number), article_store.get(session, slug)
    _refuse(session, issue, article)
    editions = carrying(session, number, article.group)
    found = _reached(session, editions)
    if not any(edition.readers for edition in found):
        hint = "Correct the article itself; the archive and later readers see what you import."
        raise RefusedError(f"No reader got {article.group} in issue {number}", hint=hint)
    probe = Issue(number=number, period="", date=issue.date, created_at=now)
    probe.corrects, probe.corrected_article = number, article.group
    slugs = list(dict.fromkeys(edition.slug for edition in editions))
    title = article_store.get(session, article.group).title
    return Correctable(number, article.group, title, found, audience_of(session, probe, now), slugs)


def _refuse(session: Session, issue: Issue, article: Article) -> None:
    number = issue.number
    if issue.state == IssueState.WITHDRAWN:
        raise RefusedError(f"Issue {number} is withdrawn", hint="Publish the article again, in another issue.")
    if issue.state != IssueState.SENT:
        hint = "Edit the article: the approval becomes void." if issue.frozen_at is None else "Wait until it is sent."
        raise RefusedError(f"Issue {number} is {issue.state}, not sent", hint=hint)
    carried = select(IssueItem.id).where(IssueItem.issue_id == issue.id, IssueItem.group == article.group)
    if session.exec(carried).first() is None:
        hint = f"To list its articles: digest issue show {number}"
        raise NotFoundError(f"Issue {number} has no article {article.slug}", hint=hint)
    same = (Issue.corrects == number, Issue.corrected_article == article.group)
    other = session.exec(select(Issue).where(*same, col(Issue.state).in_(sorted(UNFINISHED)))).first()
    if other is not None:
        hint = f"Go on with it: digest issue show {other.number}. To start again: digest issue withdraw {other.number}"
        raise RefusedError(f"Issue {other.number} already corrects {article.group} ({other.state})", hint=hint)


def _reached(session: Session, editions: Sequence[CarryingEdition]) -> list[ReachedEdition]:
    counted = _counted(session, {edition.issue_id for edition in editions})
    return [
        ReachedEdition(
            edition.id,
            edition.language,
            sum(counted[edition.id, state.value] for state in HAVE_IT),
            counted[edition.id, State.UNCERTAIN.value],
        )
        for edition in editions
    ]


def _counted(session: Session, issues: Collection[int]) -> Counter[tuple[int, str]]:
    """Return how many readers have or may have an edition, by its id and the state of their delivery."""
    query = select(Delivery.edition_id, Delivery.state, func.count()).where(
        col(Delivery.issue_id).in_(issues), col(Delivery.state).in_(HAVE_IT)
    )
    rows = session.exec(query.group_by(col(Delivery.edition_id), col(Delivery.state)))
    return Counter({(edition_id, state): number for edition_id, state, number in rows})


def held_articles(session: Session, issue: Issue) -> list[HeldArticle]:
    """Return the articles of an issue in order, each with the number of readers who have it."""
    items = issue_store.items_of(session, issue)
    versions = issue_store.translations_of(session, [item.group for item, _ in items])
    group_of = {article.slug: group for group, known in versions.items() for article in known.values()}
    by_edition = Counter[int]()
    for (edition_id, _), number in _counted(session, [issue.id or 0]).items():
        by_edition[edition_id] += number
    readers = Counter[str]()
    stored = select(Edition.id, Edition.articles).where(Edition.issue_id == issue.id, ~col(Edition.archive))
    for of_id, slugs in session.exec(stored):
        for group in {group_of[slug] for slug in slugs if slug in group_of}:
            readers[group] += by_edition[of_id or 0]
    return [HeldArticle(item.group, one.title, one.language, readers[item.group]) for item, one in items]


def corrections(session: Session) -> Sequence[Issue]:
    """Return every correction, the newest first."""
    return session.exec(select(Issue).where(col(Issue.corrects).is_not(None)).order_by(col(Issue.number).desc())).all()


def sent_issues(session: Session) -> Sequence[Issue]:
    """Return the issues whose articles can be corrected, the newest first."""
    return session.exec(select(Issue).where(Issue.state == IssueState.SENT).order_by(col(Issue.number).desc())).all()


def correct(publisher: Publisher, session: Session, found: Correctable, now: datetime) -> Issue:
    """Make the draft of the correction: an article in each language in which readers have the faulty one.

    Their bodies are empty, which blocks approval: an editor writes what was wrong and what is right. Callers commit.
    """
    settings = publisher.settings
    faulty = session.exec(select(Issue).where(Issue.number == found.number).with_for_update()).one()
    _refuse(session, faulty, article_store.get(session, found.group))
    item = session.exec(select(IssueItem).where(IssueItem.issue_id == faulty.id, IssueItem.group == found.group)).one()
    order = [section.slug for section in settings.section]
    today = now.astimezone(settings.publication.zone).date()
    issue = issue_store.special_issue(session, None, today, now)
    taken = set(session.exec(select(Article.slug)))
    versions = sorted((article_store.get(session, slug) for slug in found.slugs), key=lambda one: one.slug != one.group)
    group = ""
    for version in versions:
        draft = _draft(publisher, faulty, version, _free(version.slug, taken))
        draft = replace(draft, section=item.section if item.section in order else None, date_text=today.isoformat())
        group = group or draft.slug
        article_store.create(session, replace(draft, starts_on=today, ends_on=today), group=group, now=now)
        taken.add(draft.slug)
    edit.add(session, issue, group, order)
    issue.corrects, issue.corrected_article = faulty.number, found.group
    session.add(issue)
    session.flush()
    return issue


def articles_of(session: Session, issue: Issue) -> list[str]:
    """Return the slugs of a correction's articles, the original first."""
    groups = [item.group for item, _ in issue_store.items_of(session, issue)]
    versions = issue_store.translations_of(session, groups)
    return groups + [one.slug for group in groups for one in versions[group].values() if one.slug != group]


def _draft(publisher: Publisher, faulty: Issue, version: Article, slug: str) -> Draft:
    translate = publisher.templates.translate(version.language)
    address = f"{publisher.settings.publication.base_url}/archive/{faulty.number}?lang={version.language}"
    return Draft(
        path="",
        line=None,
        slug=slug,
        title=translate("Correction: %(title)s") % {"title": version.title},
        language=version.language,
        summary=translate("This corrects “%(title)s” in issue No. %(number)s.")
        % {"title": version.title, "number": faulty.number},
        link=f"{address}#{quote(version.group)}",
        display="full",
    )


def _free(slug: str, taken: Collection[str]) -> str:
    """Return a slug for the correction of `slug` that no article has."""
    tries = (f"correction-{n}-" if n > 1 else "correction-" for n in range(1, len(taken) + 2))
    return next(free for one in tries if (free := f"{one}{slug}"[:MAX_SLUG].rstrip("-")) not in taken)
