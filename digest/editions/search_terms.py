"""Normalisation of texts and queries for full-text search. Pure.

Search is by substring, as Korean needs: particles are written onto the noun (도시, 도시를, 스마트도시의), which word
indexes take for three words, and trigram indexes cannot find the frequent words of two characters. Both databases scan
the same folded text: twenty years in two languages are some ten thousand rows.
"""

from unicodedata import category, normalize

MAX_QUERY = 100
"""Characters of a query that are used; the field takes no more."""
MAX_WORDS = 8


def fold(text: str) -> str:
    """Return text in its form for comparison: NFKC, casefolded, single spaces, no control characters."""
    # Soft hyphens and joiners divide what a reader sees as one word.
    visible = "".join(" " if category(c) in _BLANK else c for c in text if category(c) != "Cf")
    return " ".join(normalize("NFKC", normalize("NFKC", visible).casefold()).split())


# Controls and lone surrogates: no text of ours has them, and PostgreSQL refuses them.
_BLANK = frozenset({"Cc", "Cs", "Zs", "Zl", "Zp"})


def shortened(query: str) -> str:
    """Return the used part of a query, as the field shows it again."""
    visible = "".join(" " if category(c) in _BLANK else c for c in query[:MAX_QUERY])
    return " ".join(visible.split())


def words_of(query: str) -> tuple[str, ...]:
    """Return the folded words of a query, all of which an article must have."""
    return tuple(dict.fromkeys(fold(shortened(query)).split()))[:MAX_WORDS]
