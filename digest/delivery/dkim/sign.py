"""DKIM signing (RFC 6376) for relays that do not sign: rsa-sha256, c=relaxed/simple, the whole body. Pure.

Simple for the body: collapsing its blanks would cost more than signing, and base64 and quoted-printable are not
rewrapped on the way. Relaxed for the header, since relays do refold it.
"""

import base64
import hashlib
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
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple;\r\n d={self.domain};\r\n"
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
    """Return SHA-256 of a body in simple form (RFC 6376 section 3.4.3): trailing empty lines count as one line end.

    Only the last pieces are searched; nothing is copied.
    """
    digest = hashlib.sha256()
    tail: list[bytes] = []
    whole = len(body)
    while whole:
        whole -= 1
        text = body[whole].rstrip(b"\r\n")
        tail.append(body[whole][len(text) :])
        if text:
            for piece in body[:whole]:
                digest.update(piece)
            digest.update(text)
            break
    ends = b"".join(reversed(tail))
    size = len(ends)
    while ends[size - 2 : size] == b"\r\n":
        size -= 2
    digest.update(ends[:size] + b"\r\n")
    return digest.digest()


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
