"""What two editions have in common, and what the issue has in common with the one before."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from digest.articles.models import Article
from digest.issues import store as issues
from digest.publish.build import BuiltEdition
from digest.render.content import IssueContent
from digest.web.desk.preview_views import labels
from digest.web.desk.state import Snapshot


@dataclass(frozen=True, slots=True)
class ComparedEditions:
    """The articles of two editions, translations counted as one; `unknown` is a name that no edition has."""

    labels: tuple[str, ...]
    a: str = ""
    b: str = ""
    only_a: Sequence[Article] = ()
    only_b: Sequence[Article] = ()
    both: Sequence[Article] = ()
    unknown: str = ""


def compared(look: Snapshot, a: str, b: str) -> ComparedEditions:
    """Compare the editions with these labels, such as `en 2`; empty labels compare nothing."""
    known = dict(zip(labels(look), look.made.editions, strict=True))
    unknown = next((one for one in (a, b) if one and one not in known), "")
    if not (a and b) or unknown:
        return ComparedEditions(tuple(known), a, b, unknown=unknown)
    content = look.made.content
    first, second = _groups(content, known[a]), _groups(content, known[b])
    every = [(group, content.titled(group, known[a].selection.language)) for group in content.articles]
    return ComparedEditions(
        tuple(known),
        a,
        b,
        [article for group, article in every if group in first - second],
        [article for group, article in every if group in second - first],
        [article for group, article in every if group in first & second],
    )


def _groups(content: IssueContent, edition: BuiltEdition) -> set[str]:
    return {content.shown(slug).group for slug in edition.slugs}


@dataclass(frozen=True, slots=True)
class Overlap:
    """The issue before, the articles that both carry, and the topics that both have."""

    number: int
    again: Sequence[str]
    topics: frozenset[str]


def overlap(session: Session, content: IssueContent) -> Overlap | None:
    """Compare with the issue before; None for the first."""
    earlier = issues.before(session, content.issue)
    if earlier is None:
        return None
    carried = {item.group: article for item, article in issues.items_of(session, earlier)}
    topics = {topic for article in carried.values() for topic in article.topics}
    own = {topic for group in content.articles for topic in content.shown(group).topics}
    again = [content.shown(group).title for group in content.articles if group in carried]
    return Overlap(earlier.number, again, frozenset(topics & own))
