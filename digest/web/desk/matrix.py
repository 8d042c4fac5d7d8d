"""Which edition has which article: the table in which a difference between two editions can be seen. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from digest.publish.build import BuiltEdition
from digest.render.content import IssueContent


@dataclass(frozen=True, slots=True)
class Row:
    """One article of the issue. `slugs` has one entry for each edition: the slug it shows, or nothing."""

    group: str
    title: str
    section: str
    topics: tuple[str, ...]
    slugs: tuple[str | None, ...]

    @property
    def common(self) -> bool:
        """Whether every edition has it."""
        return all(self.slugs)


def matrix(content: IssueContent, editions: Sequence[BuiltEdition]) -> list[Row]:
    """Return a row for each article, in the issue's order, against the editions, in theirs."""
    shown = [{_group(content, slug): slug for slug in edition.slugs} for edition in editions]
    rows = []
    for group, by_language in content.articles.items():
        original = next(article for article in by_language.values() if article.slug == group)
        rows.append(
            Row(
                group=group,
                title=original.title,
                section=content.sections[group],
                topics=tuple(original.topics),
                slugs=tuple(of_edition.get(group) for of_edition in shown),
            )
        )
    return rows


def _group(content: IssueContent, slug: str) -> str:
    return content.shown(slug).group
