"""Problems with content, with place and hint for its author."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem at a place; `line` counts from 1, None if there is no line."""

    path: str
    line: int | None
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Return `path:line: message`, the form that editors and terminals make clickable."""
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}"


class Note(Problem):
    """Something that an author should know of, for which nothing is refused."""

    __slots__ = ()


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint with the known word closest to `word`, or else all known words."""
    words = sorted(known)
    close = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Valid values: {', '.join(words)}." if words else "None are defined yet."
