"""The audience of one issue: the subscribers who are due, or for a correction those to whom the faulty article went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, String, bindparam, case, exists, func, literal, select
from sqlmodel import Session, col

from digest.articles.models import Article
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.outbox.models import Delivery
from digest.outbox.states import SkipReason, State
from subscribers.audience import CountedGroup, counted, exclusion_reason
from subscribers.models import Subscriber

HAVE_IT = (State.ACCEPTED, State.UNCERTAIN)
"""Deliveries with which a reader has the issue, or may have it."""
_GROUP = ("state", "language", "interests", "frequency", "format")


class CarryingEdition(NamedTuple):
    """An edition that shows an article: its issue, its language, and the slug of the article's version."""

    id: int
    issue_id: int
    language: str
    slug: str


@dataclass(frozen=True, slots=True)
class IssueAudience:
    """Who would get an issue now, by group, and how many would not, by reason; together everybody."""

    readers: Mapping[CountedGroup, int]
    excluded: Mapping[str, int]


def carrying(session: Session, number: int, group: str) -> Sequence[CarryingEdition]:
    """Return the mailed editions of a frozen issue that show an article in any language."""
    slugs = set(session.execute(select(col(Article.slug)).where(col(Article.group) == group)).scalars())
    columns = [col(column) for column in (Edition.id, Edition.issue_id, Edition.language, Edition.articles)]
    query = select(*columns).join(Issue).where(col(Issue.number) == number, ~col(Edition.archive))
    return [
        CarryingEdition(of_id, issue_id, language, slug)
        for of_id, issue_id, language, articles in session.execute(query.order_by(col(Edition.id)))
        for slug in articles
        if slug in slugs
    ]


def exclusion_of(session: Session, issue: Issue, now: datetime) -> ColumnElement[str | None]:
    """Return an expression over Subscriber: the reason for not getting the issue at `now`, else NULL.

    For a correction `unaffected` comes first, so that the other reasons count those who have the faulty article; how
    often somebody wants issues does not matter then.
    """
    if issue.corrects is None:
        return exclusion_reason(now, issue.number)
    editions = carrying(session, issue.corrects, issue.corrected_article)
    mine = (
        col(Delivery.issue_id).in_({edition.issue_id for edition in editions}),
        col(Delivery.subscriber_id) == col(Subscriber.id),
        col(Delivery.state).in_(HAVE_IT),
        # written into the statement: there may be more editions than a statement takes parameters
        col(Delivery.edition_id).in_(bindparam(None, [e.id for e in editions], expanding=True, literal_execute=True)),
    )
    has_it = exists().where(*mine).correlate(Subscriber)
    return case((~has_it, literal(SkipReason.UNAFFECTED.value, String)), else_=exclusion_reason(now))


def audience_of(session: Session, issue: Issue, now: datetime) -> IssueAudience:
    """Count who would get the issue at `now`."""
    if issue.corrects is None:
        everybody = counted(session, now)
        return IssueAudience(everybody.eligible(issue.number), everybody.exclusions(issue.number))
    columns = [col(getattr(Subscriber, name)) for name in _GROUP]
    rows = select(*columns, exclusion_of(session, issue, now).label("reason")).subquery()
    readers: dict[CountedGroup, int] = {}
    excluded: dict[str, int] = {}
    query = select(*rows.c, func.count()).group_by(*rows.c).order_by(*rows.c)
    for state, language, interests, frequency, form, reason, number in session.execute(query):
        if reason is None:
            readers[CountedGroup(state, language, interests, frequency, form, None)] = number
        else:
            excluded[reason] = excluded.get(reason, 0) + number
    return IssueAudience(readers, excluded)
