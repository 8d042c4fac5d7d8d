"""Interests of subscribers, and their matching with the topics of articles. Pure.

Interests are a set of slugs; `ALL` means every present and future interest. Stored and exported they are one canonical
text: sorted slugs joined by `;`, `*` for all, the empty text for none.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from subscribers.errors import InterestUnknownError

ALL_TEXT: Final = "*"
ALL: Final = frozenset({ALL_TEXT})
SEPARATOR: Final = ";"


class Catalogue:
    """The interests a publication offers; `was` maps a slug to its former ones, so that renaming keeps choices."""

    def __init__(self, slugs: Sequence[str], was: Mapping[str, Sequence[str]] | None = None) -> None:
        self.slugs = tuple(slugs)
        self._present = {slug: slug for slug in slugs}
        for slug, former in (was or {}).items():
            for old in former:
                self._present.setdefault(old, slug)

    def parse(self, text: str) -> frozenset[str]:
        """Return the interests of a stored text: renamed ones under their present slug, unknown ones left out."""
        slugs = split(text)
        if ALL_TEXT in slugs:
            return ALL
        return frozenset(self._present[slug] for slug in slugs if slug in self._present)

    def vanished(self, text: str) -> tuple[str, ...]:
        """Return the slugs of a stored text that the publication does not offer under any name."""
        return tuple(sorted(slug for slug in split(text) if slug != ALL_TEXT and slug not in self._present))

    def choose(self, text: str) -> frozenset[str]:
        """Return the interests that a person or file names. Raises InterestUnknownError, with the nearest slug."""
        for slug in self.vanished(text):
            near = difflib.get_close_matches(slug, self.slugs, n=1)
            known = f"did you mean '{near[0]}'?" if near else f"valid interests: {', '.join(self.slugs) or 'none'}"
            raise InterestUnknownError(f"Unknown interest '{slug[:60]}'; {known}")
        return self.parse(text)

    def canonical(self, interests: Iterable[str]) -> str:
        """Return the canonical text of a set of interests."""
        chosen = set(interests)
        return ALL_TEXT if ALL_TEXT in chosen else SEPARATOR.join(sorted(chosen))

    def matches(self, topics: Iterable[str], interests: frozenset[str]) -> bool:
        """Return whether an article with these topics is for these interests; without topics it is for everyone."""
        present = {self._present.get(topic, topic) for topic in topics}
        return not present or interests == ALL or not present.isdisjoint(interests)


def split(text: str) -> frozenset[str]:
    """Return the slugs in a text, whatever the order, spaces and repetitions."""
    return frozenset(map(str.strip, text.split(SEPARATOR))) - {""}
