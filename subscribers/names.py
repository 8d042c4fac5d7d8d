"""A person's name as it may be written into a mail. Pure."""

import unicodedata

from subscribers.characters import has_controls
from subscribers.errors import NameUnusableError

MAX_LENGTH = 200
# They turn the order of the text that follows, so that a name could rewrite the sentence it stands in.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def parse_name(text: str, what: str = "name") -> str:
    """Return the name (or another text of one line), composed (NFC) and without spaces around it; the empty text is
    nobody's fault.

    Raises NameUnusableError for what is too long or would break a header or a line: control characters, line ends, NUL.
    """
    plain = text.isascii() and text.isprintable()  # nothing to compose, and nothing that turns or breaks a line
    name = text.strip(" ") if plain else unicodedata.normalize("NFC", text).strip(" \u00a0\u3000")
    if len(name) > MAX_LENGTH:
        raise NameUnusableError(f"The {what} is longer than {MAX_LENGTH} characters")
    if not plain and (has_controls(name) or not _TURNING.isdisjoint(name)):
        raise NameUnusableError(f"The {what} contains a line end or another control character")
    return name
