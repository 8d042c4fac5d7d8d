"""DKIM signing (RFC 6376) for relays that do not sign: rsa-sha256, c=relaxed/relaxed, the whole body. Pure.

Relaxed, since relays refold headers, and some change blanks at line ends.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from digest.runtime.errors import ContentError

# In h= once more than they occur, so that adding one breaks the signature (RFC 6376 section 8.15): what a mail program
# shows, answers, decodes by or leaves by. Not the others: relays may add a Sender or a Content-Transfer-Encoding.
OVERSIGNED = frozenset(
    # RFC 8058 section 4: one click counts only if both List-Unsubscribe fields are signed
    b"from to subject date reply-to content-type list-unsubscribe list-unsubscribe-post".split()
)
SIGNED = tuple(
    b"from to subject date reply-to message-id mime-version content-type content-transfer-encoding sender list-id "
    b"list-unsubscribe list-unsubscribe-post list-help feedback-id cfbl-address cfbl-feedback-id".split()
)
_LINE = 78
_BLANKS = b" \t\r\n"
_SPACES = re.compile(rb"[ \t]+")
_ENDING = re.compile(rb"(?:[ \t]*\r\n)*[ \t]*\r?\Z")  # a CR may be the first half of a line end
_LARGE = 1024
_B64_LINE = 75  # after ` b=`
_PADDING, _HASH = PKCS1v15(), SHA256()


class UnsignableError(ContentError):
    """A message without exactly one From field cannot be signed."""


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs for one domain with one key; `digest.delivery.dkim.key.load` makes it and refuses weak keys."""

    key: RSAPrivateKey
    selector: str
    domain: str

    def sign(self, message: Sequence[bytes], now: datetime) -> bytes:
        """Return the DKIM-Signature field with its CRLF, to stand in front of `message`.

        `message` is in wire form before dot-stuffing, in pieces; `now` becomes t=. Raises UnsignableError.
        """
        head, body = parted(message)
        fields = _by_name(relaxed(head))
        if len(fields.get(b"from", ())) != 1:
            raise UnsignableError
        names = tuple((name, len(fields.get(name, ())) + (name in OVERSIGNED)) for name in SIGNED)
        own = (
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d={self.domain};\r\n"
            f" s={self.selector}; t={int(now.timestamp())};\r\n"
            f" h={_listed(names)};\r\n bh={base64.b64encode(body_digest(body)).decode()};\r\n b="
        ).encode("ascii")
        # Of several fields of a name the last is signed first (section 5.4.2); our own comes last, without CRLF (3.7).
        signed = [field for name in SIGNED for field in reversed(fields.get(name, ()))]
        (_, own_relaxed), *_ = relaxed(own)
        value = base64.b64encode(self.key.sign(b"\r\n".join([*signed, own_relaxed]), _PADDING, _HASH))
        return own + b"\r\n ".join(value[i : i + _B64_LINE] for i in range(0, len(value), _B64_LINE)) + b"\r\n"


def parted(message: Sequence[bytes]) -> tuple[bytes, Sequence[bytes]]:
    """Return the header block without its last CRLF, and the pieces of the body without the blank line before it."""
    first, rest = (message[0], message[1:]) if message else (b"", ())
    end = first.find(b"\r\n\r\n")
    if end < 0 and rest:  # the blank line is not in the first piece, as it is in our messages: seldom, so joined
        first, rest = b"".join(message), ()
        end = first.find(b"\r\n\r\n")
    if first.startswith(b"\r\n"):  # a body without a header
        return b"", (first[2:], *rest)
    if end < 0:
        return first.removesuffix(b"\r\n"), rest
    return first[:end], (first[end + 4 :], *rest)


def relaxed(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return each field's lower-case name and its relaxed form without CRLF (RFC 6376 section 3.4.2), in order.

    Unfolds and collapses the whole block at once: a regular expression for each field costs far more.
    """
    text = head.replace(b"\t", b" ").replace(b"\r\n ", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    fields = []
    for line in text.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip(b" ").lower()
        fields.append((name, name + b":" + value.strip(b" ")))
    return fields


def body_digest(body: Sequence[bytes]) -> bytes:
    """Return SHA-256 of a body in relaxed form (RFC 6376 section 3.4.4), with the CRLF that SMTP adds to the last line.

    Blanks and line ends at the end of a piece are held back: what follows tells whether they count.
    """
    digest = hashlib.sha256()
    held, is_empty = b"", True
    for piece in body:
        if not piece or (held and piece[0] in _BLANKS):
            text = held + piece
        else:
            digest.update(_collapsed(held))
            text = piece
        kept, held = _split_large(text) if len(text) > _LARGE else _split(text)
        digest.update(kept)
        is_empty = is_empty and not kept
    if held.endswith(b"\r"):  # no line end
        digest.update(_collapsed(held))
    elif is_empty:
        return digest.digest()
    digest.update(b"\r\n")
    return digest.digest()


def _split(text: bytes) -> tuple[bytes, bytes]:
    """Return text in relaxed form without the blanks and line ends at its end, and these."""
    kept = text.rstrip(_BLANKS)
    found = _ENDING.search(text, len(kept))
    end = found.start() if found else len(text)
    return _collapsed(text[:end]), text[end:]


_split_large = lru_cache(maxsize=100)(_split)  # the same objects in each message of an edition: hashed once by Python


def _collapsed(text: bytes) -> bytes:
    if b"  " in text or b"\t" in text:
        text = _SPACES.sub(b" ", text)
    return text.replace(b" \r\n", b"\r\n")


def _by_name(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, field in fields:
        found.setdefault(name, []).append(field)
    return found


@lru_cache(maxsize=100)  # the messages of an edition have the same fields
def _listed(names: tuple[tuple[bytes, int], ...]) -> str:
    """Return the value of h=, folded after colons (RFC 6376 section 3.5)."""
    lines, line = [], " h="
    for word in [name.decode() + ":" for name, times in names for _ in range(times)]:
        if len(line) + len(word) > _LINE:
            lines.append(line)
            line = " "
        line += word
    return "\r\n".join([*lines, line]).removeprefix(" h=").removesuffix(":")
