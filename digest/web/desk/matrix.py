"""Table of articles by edition. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from digest.publish.build import BuiltEdition
from digest.render.content import IssueContent


@dataclass(frozen=True, slots=True)
class Row:
    """An article of the issue. `slugs` has an entry for each edition: the slug that it shows, or None."""

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
    """Return a row for each article, in the issue's order, with the editions as columns."""
    shown = [{content.shown(slug).group: slug for slug in edition.slugs} for edition in editions]
    rows = []
    for group in content.articles:
        original, slugs = content.shown(group), tuple(of_edition.get(group) for of_edition in shown)
        rows.append(Row(group, original.title, content.sections[group], tuple(original.topics), slugs))
    return rows
