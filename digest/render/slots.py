"""Slots: placeholders for personal values in a rendered mail. Pure.

The token of a slot is `@@R_<nonce>_<NAME>@@`. The nonce is derived from the edition's content, so that builds are
reproducible, and does not occur in it, so that authors cannot place slots, which could send personal links elsewhere.
"""

import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from digest.render import marks
from digest.runtime.errors import ContentError

PREFIX = "@@R_"
_SUFFIX = "@@"
_NONCE = re.compile(r"[0-9a-f]{16}")
# All characters that RFC 3986 allows in a URL, and the per cent sign of encoded ones.
_URL_SAFE = "%/:=&?~#+!$,;'@()*[]"
_PLAIN_URL = re.compile(r"[A-Za-z0-9%/:=&?~._-]*")
_CUT = re.compile(r"(?:\r|@@?R?|@@R_[0-9a-f]*|@@R_[0-9a-f]{16}_[A-Z_]*@?)\Z")
_TOKEN_LAST = re.compile(r"@@R_[0-9a-f]{16}_[A-Z_]+@@\Z")
_LONGEST = 64  # characters of a token, and more
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Slot(StrEnum):
    """A personal value in a mail; the value is the name in the token."""

    INTERESTS = "INTERESTS"
    PREFERENCES_URL = "PREFERENCES_URL"
    UNSUBSCRIBE_URL = "UNSUBSCRIBE_URL"
    VIEW_URL = "VIEW_URL"
    ACTION_URL = "ACTION_URL"
    CONSENT_DATE = "CONSENT_DATE"
    TEST_MARK = "TEST_MARK"  # empty but in test mails

    @property
    def is_url(self) -> bool:
        """Whether the value is an address."""
        return self not in _WORDS


_WORDS = frozenset({Slot.INTERESTS, Slot.CONSENT_DATE, Slot.TEST_MARK})

EDITION_SLOTS = frozenset({Slot.INTERESTS, Slot.PREFERENCES_URL, Slot.UNSUBSCRIBE_URL, Slot.VIEW_URL})
"""The slots that both parts of an edition must have."""

WORST_VALUES: Mapping[Slot, str] = {slot: "x" * (300 if slot.is_url else 400) for slot in Slot} | {Slot.TEST_MARK: ""}
"""The longest values, to measure a mail before its recipients are known."""


class SlotContext(StrEnum):
    """Context of a slot, which determines its escaping."""

    HTML = "html"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class SlotTokens:
    """The tokens of one edition, as templates see them: `{{ slots.preferences_url }}`."""

    nonce: str

    def __getattr__(self, name: str) -> str:
        """Return the token of the slot with this name in lower case."""
        if name not in {slot.lower() for slot in Slot}:
            raise AttributeError(name)
        return token(self.nonce, Slot(name.upper()))


def token(nonce: str, slot: Slot) -> str:
    """Return the token of a slot."""
    return f"{PREFIX}{nonce}_{slot.value}{_SUFFIX}"


def choose_nonce(identity: str, content: str = "") -> str:
    """Return 16 hexadecimal digits derived from `identity` that do not occur in it or in `content` after a prefix."""
    for attempt in range(1_000):
        nonce = hashlib.sha256(f"{attempt}\n{identity}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
        if not any(prefix + nonce in text for prefix in (PREFIX, marks.PREFIX) for text in (identity, content)):
            return nonce
    hint = f"Remove the texts that start with {PREFIX}."
    raise ContentError("The articles contain slot tokens of every kind.", hint=hint)


def split(document: str, nonce: str) -> Iterator[str | Slot]:
    """Yield the literals and slots of a document alternately, with a literal first and last.

    Raises ContentError for a token of an unknown slot.
    """
    if not _NONCE.fullmatch(nonce):
        raise ContentError(f"{nonce!r} is not a valid slot nonce.", hint="Use 16 hexadecimal digits.")
    pieces = re.split(re.escape(f"{PREFIX}{nonce}_") + r"([A-Z_]+)" + _SUFFIX, document)
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            yield piece
        elif piece in Slot.__members__:
            yield Slot(piece)
        else:
            raise ContentError(f"Unknown slot {piece}.", hint=f"Slots: {', '.join(Slot.__members__)}.")


def uncut(pieces: Iterable[str]) -> list[str]:
    """Return the pieces of a document with those joined between which a token or the end of a line would be cut."""
    whole, begun = [], ""
    for piece in pieces:
        begun = begun + piece if begun else piece
        if not _is_cut(begun):
            whole.append(begun)
            begun = ""
    return [*whole, begun] if begun else whole


def _is_cut(piece: str) -> bool:
    tail = piece[-_LONGEST:]
    if "@" not in tail:  # as nearly always
        return tail.endswith("\r")
    return bool(_CUT.search(tail)) and not _TOKEN_LAST.search(tail)


def escape(slot: Slot, value: str, place: SlotContext) -> str:
    """Return a value escaped for `place`, on one line and without control characters.

    The HTML form is for text as well as for quoted attributes.
    """
    if slot.is_url:
        # Fast path: our own addresses need no quoting.
        plain = _PLAIN_URL.fullmatch(value)
        if plain and (place is SlotContext.PLAIN or "&" not in value):
            return value
        safe = value if plain else quote(value, safe=_URL_SAFE)
    else:
        safe = _CONTROLS.sub(" ", value).strip()
    return html.escape(safe, quote=True) if place is SlotContext.HTML else safe


def fill(document: str, nonce: str, values: Mapping[Slot, str], place: SlotContext) -> str:
    """Return a document with its slots filled, for pages and for measuring; deliveries use `parts`."""
    pieces = split(document, nonce)
    return "".join(escape(p, values[p], place) if isinstance(p, Slot) else p for p in pieces)
