"""Slots: the few places of a mail that differ from reader to reader. Pure.

A slot stands in the rendered mail as a token, `@@R_<nonce>_<NAME>@@`, made of characters that survive every stage. The
nonce is derived from the edition's content, so that a build can be repeated, and is checked not to occur in it, so that
nobody who writes an article can place a slot: an author's token would carry another reader's link to a foreign site.
"""

import hashlib
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from digest.runtime.errors import ContentError

PREFIX = "@@R_"
_SUFFIX = "@@"
_NONCE = re.compile(r"[0-9a-f]{16}")
# Everything that RFC 3986 lets stand in a URL, and the per cent sign of what is encoded already.
_URL_SAFE = "%/:=&?~#+!$,;'@()*[]"
_PLAIN_URL = re.compile(r"[A-Za-z0-9%/:=&?~._-]*")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Slot(StrEnum):
    """What may differ between two readers of an edition; the value is the name in the token."""

    INTERESTS = "INTERESTS"
    PREFERENCES_URL = "PREFERENCES_URL"
    UNSUBSCRIBE_URL = "UNSUBSCRIBE_URL"
    VIEW_URL = "VIEW_URL"
    ACTION_URL = "ACTION_URL"
    CONSENT_DATE = "CONSENT_DATE"

    @property
    def is_url(self) -> bool:
        """Whether the value is an address."""
        return self not in {Slot.INTERESTS, Slot.CONSENT_DATE}


EDITION_SLOTS = frozenset({Slot.INTERESTS, Slot.PREFERENCES_URL, Slot.UNSUBSCRIBE_URL, Slot.VIEW_URL})
"""The slots that an edition may use, and of which none may be missing in either part."""

WORST_VALUES: Mapping[Slot, str] = {slot: "x" * (300 if slot.is_url else 400) for slot in Slot}
"""Values as long as they get, for measuring a mail before its readers are known."""


class SlotContext(StrEnum):
    """Where a slot stands; each place has its own escaping."""

    HTML = "html"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class SlotTokens:
    """The tokens of one edition, as templates see them: `{{ slots.preferences_url }}`."""

    nonce: str

    @property
    def interests(self) -> str:
        """The interests' titles in the reader's language."""
        return token(self.nonce, Slot.INTERESTS)

    @property
    def preferences_url(self) -> str:
        """The reader's preferences page."""
        return token(self.nonce, Slot.PREFERENCES_URL)

    @property
    def unsubscribe_url(self) -> str:
        """The reader's unsubscribe page."""
        return token(self.nonce, Slot.UNSUBSCRIBE_URL)

    @property
    def view_url(self) -> str:
        """This edition in a browser."""
        return token(self.nonce, Slot.VIEW_URL)

    @property
    def action_url(self) -> str:
        """What a notice asks its reader to open."""
        return token(self.nonce, Slot.ACTION_URL)

    @property
    def consent_date(self) -> str:
        """The day on which the reader agreed, in their language."""
        return token(self.nonce, Slot.CONSENT_DATE)


def token(nonce: str, slot: Slot) -> str:
    """Return the text that stands for a slot until it is filled."""
    return f"{PREFIX}{nonce}_{slot.value}{_SUFFIX}"


def choose_nonce(content: str) -> str:
    """Return 16 hexadecimal digits derived from `content` that do not occur in it after the prefix."""
    for attempt in range(1_000):
        nonce = hashlib.sha256(f"{attempt}\n{content}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
        if PREFIX + nonce not in content:
            return nonce
    raise ContentError(
        "The articles hold slot tokens of every kind.", hint=f"Take the texts that begin with {PREFIX} out."
    )


def split(document: str, nonce: str) -> Iterator[str | Slot]:
    """Yield the literal texts and the slots of a document in order, a literal first and last, slots between.

    Raises ContentError for a token of this nonce that names no slot.
    """
    if not _NONCE.fullmatch(nonce):
        raise ContentError(f"{nonce!r} is no slot nonce.", hint="A nonce has 16 hexadecimal digits.")
    pieces = re.split(re.escape(f"{PREFIX}{nonce}_") + r"([A-Z_]+)" + _SUFFIX, document)
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            yield piece
        elif piece in Slot.__members__:
            yield Slot(piece)
        else:
            raise ContentError(f"There is no slot {piece}.", hint=f"Slots are {', '.join(Slot.__members__)}.")


def escape(slot: Slot, value: str, place: SlotContext) -> str:
    """Return a value as it may stand in `place`: on one line, without control characters, as text or as an address.

    The HTML form fits between tags as well as into a quoted attribute.
    """
    if slot.is_url:
        # Our own addresses need no quoting, and every delivery comes through here.
        plain = _PLAIN_URL.fullmatch(value)
        if plain and (place is SlotContext.PLAIN or "&" not in value):
            return value
        safe = value if plain else quote(value, safe=_URL_SAFE)
    else:
        safe = _CONTROLS.sub(" ", value).strip()
    return html.escape(safe, quote=True) if place is SlotContext.HTML else safe


def fill(document: str, nonce: str, values: Mapping[Slot, str], place: SlotContext) -> str:
    """Return a document with its slots filled: the slow, plain way, for pages and for measuring."""
    pieces = split(document, nonce)
    return "".join(escape(p, values[p], place) if isinstance(p, Slot) else p for p in pieces)
