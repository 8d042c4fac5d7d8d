"""What is searched for, and in what form texts are compared. Pure.

A word is found wherever its characters stand, also inside a longer word. Korean wants that: particles are written onto
the noun (도시, 도시를, 스마트도시의), which the databases' own indexes of words take for three words; their indexes of
three characters cannot find a word of two, the most frequent length. So both databases look for the same folded
characters, row by row, and give the same answers: twenty years in two languages are some ten thousand rows.
"""

from unicodedata import category, normalize

MAX_QUERY = 100
"""Characters of a query that count; the field takes no more."""
MAX_WORDS = 8


def fold(text: str) -> str:
    """Return text as it is compared: compatibility forms composed (NFKC), without case, blanks single, no controls."""
    # Soft hyphens and joiners divide what a reader sees as one word.
    visible = "".join(" " if category(c) in _BLANK else c for c in text if category(c) != "Cf")
    return " ".join(normalize("NFKC", normalize("NFKC", visible).casefold()).split())


# Controls and lone surrogates: no text of ours has them, and PostgreSQL refuses them.
_BLANK = frozenset({"Cc", "Cs", "Zs", "Zl", "Zp"})


def shortened(query: str) -> str:
    """Return as much of a query as counts, as the field shows it again."""
    visible = "".join(" " if category(c) in _BLANK else c for c in query[:MAX_QUERY])
    return " ".join(visible.split())


def words_of(query: str) -> tuple[str, ...]:
    """Return the folded words that an article must have, all of them."""
    return tuple(dict.fromkeys(fold(shortened(query)).split()))[:MAX_WORDS]
