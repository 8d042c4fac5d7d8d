"""Remarks on a body: faults that refuse it, and notes on what was dropped or stays as typed. Pure."""

from collections.abc import Sequence

from digest.articles.characters import one_line
from digest.articles.problems import Note, Problem
from digest.runtime.text import cut

REMARKS = "remarks"
"""Key in the parser's environment."""
_QUOTE = 500


class Remarks:
    """Collects problems and notes with the line of the source that each quotes; equal notes are one."""

    def __init__(self, source: str) -> None:
        self._lines = source.split("\n")
        self._counts: dict[tuple[str, str], int] = {}
        self._first: dict[tuple[str, str], tuple[int | None, str]] = {}
        self.problems: list[Problem] = []

    def note(self, place: Sequence[int] | None, quote: str, what: str, hint: str = "") -> None:
        """Note what became of a piece of the source; `place` is the map of its block's token."""
        key = (cut(one_line(quote), _QUOTE), what)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._first.setdefault(key, (self._line(place, quote), hint))

    def refuse(self, place: Sequence[int] | None, quote: str, message: str, hint: str) -> None:
        """Record a fault for which the article is not taken."""
        self.problems.append(Problem("", self._line(place, quote), message, hint))

    @property
    def notes(self) -> list[Note]:
        """The notes, in the order of lines."""
        found = []
        for (quote, what), (line, hint) in self._first.items():
            count = self._counts[quote, what]
            times = f" ({count} times)" if count > 1 else ""
            found.append(Note("", line, f"{quote} {what}{times}.", hint))
        return sorted(found, key=lambda note: note.line or 0)

    def _line(self, place: Sequence[int] | None, quote: str) -> int | None:
        first, last = place or (0, len(self._lines))
        head = quote.split("\n", maxsplit=1)[0]
        found = next((at for at in range(first, min(last, len(self._lines))) if head in self._lines[at]), None)
        return (found if found is not None else first) + 1 if place or found is not None else None
