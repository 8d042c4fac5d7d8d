"""Validation of names for use in mails. Pure."""

import unicodedata

from subscribers.characters import has_controls
from subscribers.errors import NameUnusableError

MAX_LENGTH = 200
# Bidirectional controls, with which a name could reorder the sentence around it.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def parse_name(text: str, what: str = "name") -> str:
    """Return a name, or another text of one line, which may be empty, in NFC and without surrounding spaces.

    Raises NameUnusableError for more than 200 characters, control characters and line ends.
    """
    plain = text.isascii() and text.isprintable()  # nothing to compose, and nothing that turns or breaks a line
    name = text.strip(" ") if plain else unicodedata.normalize("NFC", text).strip(" \u00a0\u3000")
    if len(name) > MAX_LENGTH:
        raise NameUnusableError(f"The {what} is longer than {MAX_LENGTH} characters")
    if not plain and (has_controls(name) or not _TURNING.isdisjoint(name)):
        raise NameUnusableError(f"The {what} contains a line end or another control character")
    return name
