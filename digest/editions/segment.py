"""Segmentation of the audience: matches articles' topics with readers' interests, and merges equal editions. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from subscribers.interests import ALL_TEXT, Catalogue
from subscribers.models import Frequency


class EmptyRule(StrEnum):
    """What a reader gets for whom no article matches."""

    SKIP = "skip"
    FULL = "full"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Item:
    """An article of the issue: topics, section, and the slug of each language it exists in."""

    group: str
    section: str
    topics: frozenset[str]
    language: str
    slugs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SegmentRules:
    """The publication's rules for editions ([editions])."""

    empty: EmptyRule
    omit_untranslated: bool
    languages: tuple[str, ...]

    def language_for(self, wanted: str) -> str:
        """Return the publication's language for a reader of `wanted`: it, its base language, else the first."""
        if wanted in self.languages:
            return wanted
        base = wanted.split("-", maxsplit=1)[0]
        return next((have for have in self.languages if have.split("-", maxsplit=1)[0] == base), self.languages[0])


@dataclass(frozen=True, slots=True)
class ReaderGroup:
    """Readers with equal preferences: language, canonical text of interests, and frequency."""

    language: str
    interests: str
    frequency: str = Frequency.EVERY.value


@dataclass(frozen=True, slots=True)
class Selection:
    """One edition's identity: slugs with their sections, in order, and the articles left out.

    `frequency` is not `every` if the edition lists the titles of issues that its readers did not get.
    """

    language: str
    shown: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    frequency: str = Frequency.EVERY.value


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Each reader group's edition; None where the rule for empty editions sends nothing."""

    selections: Mapping[ReaderGroup, Selection | None]
    unanswered: tuple[ReaderGroup, ...]

    @property
    def distinct(self) -> tuple[Selection, ...]:
        """The distinct editions, in a stable order."""
        found = {selection for selection in self.selections.values() if selection is not None}
        return tuple(sorted(found, key=lambda s: (s.language, -len(s.shown), s.shown, s.frequency)))


def segment(
    items: Sequence[Item],
    groups: Iterable[ReaderGroup],
    catalogue: Catalogue,
    rules: SegmentRules,
    lacking: Collection[str] = (),
) -> Segmentation:
    """Return the edition of each reader group; equal results are one edition, whatever the interests were.

    Readers with a frequency in `lacking` get an edition that lists the issues they did not get.
    """
    selections: dict[ReaderGroup, Selection | None] = {}
    unanswered: list[ReaderGroup] = []
    for group in groups:
        selection = select_articles(items, group, catalogue, rules)
        if not selection.shown and rules.empty == EmptyRule.FULL:
            selection = select_articles(items, ReaderGroup(group.language, ALL_TEXT), catalogue, rules)
        if group.frequency in lacking:
            selection = replace(selection, frequency=group.frequency)
        selections[group] = selection if selection.shown else None
        if not selection.shown and rules.empty != EmptyRule.SKIP:  # also where nothing at all is translated
            unanswered.append(group)
    return Segmentation(selections, tuple(unanswered))


def select_articles(items: Sequence[Item], group: ReaderGroup, catalogue: Catalogue, rules: SegmentRules) -> Selection:
    """Return the articles for a reader group; `shown` is empty when nothing matches."""
    language = rules.language_for(group.language)
    interests = catalogue.parse(group.interests)
    shown: list[tuple[str, str]] = []
    left_out: list[str] = []
    for item in items:
        slug = item.slugs.get(language)
        if slug is None and rules.omit_untranslated and language != item.language:
            continue
        if catalogue.matches(item.topics, interests):
            shown.append((slug or item.slugs[item.language], item.section))
        else:
            left_out.append(item.group)
    return Selection(language, tuple(shown), tuple(left_out))
