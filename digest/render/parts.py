"""Transfer encoding of both parts of a mail, once for an edition, with personal values spliced in. Pure.

A document is split at its slots before encoding, since line breaks could cut tokens in encoded bytes. Literals are
encoded once, values alone.

Lines end with CRLF and have at most 76 ASCII characters (RFC 2045 section 6.7 and 6.8). A dot at a line's start is
encoded in quoted-printable, for relays that do not double it.
"""

import hashlib
import re
from binascii import b2a_base64, hexlify
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from digest.render.slots import Slot, SlotContext, escape, split
from digest.runtime.errors import ContentError

Format = Literal["html", "text"]

_LINE = 75  # and the `=` of a soft line break makes 76
_B64_LINE = 57  # bytes that make 76 characters
_UNSAFE = re.compile(rb"[^\t !-<>-~]+")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9:/._~-]+")
_AT_LINE_END = {b" ": b"=20", b"\t": b"=09"}


class SlotValueMissingError(ContentError):
    """A slot of the mail has no value."""


@dataclass(frozen=True, slots=True)
class Parts:
    """An edition's parts. The format `html` is multipart/alternative with both, `text` the plain text alone."""

    boundary: str
    plain: "QuotedBody | Base64Body"
    html: "QuotedBody | Base64Body"

    def header(self, format: Format = "html") -> bytes:  # noqa: A002 - the format of the mail, as everywhere
        """Return the MIME header fields for the message's header block, each line with its CRLF."""
        if format == "html":
            kind = "MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n"
            return f'{kind} boundary="{self.boundary}"\r\n'.encode()
        return b"MIME-Version: 1.0\r\n" + _fields("text/plain", self.plain.encoding)

    def splice(self, values: Mapping[Slot, str], format: Format = "html") -> list[bytes]:  # noqa: A002
        """Return the body of one recipient's message in pieces, without the blank line after the header block.

        Values are plain and are escaped here for their place. Raises SlotValueMissingError.
        """
        try:
            if format == "text":
                return self.plain.splice(values, {})
            first, second, last = _borders(self.boundary, self.plain.encoding, self.html.encoding)
            everywhere: dict[Slot, bytes] = {}
            return [first, *self.plain.splice(values, everywhere), second, *self.html.splice(values, everywhere), last]
        except KeyError as error:
            raise SlotValueMissingError(f"The slot {error.args[0]} has no value.") from error


def _fields(kind: str, encoding: str) -> bytes:
    return f"Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n".encode()


@lru_cache(maxsize=1_000)
def _borders(boundary: str, plain: str, html: str) -> tuple[bytes, bytes, bytes]:
    """Return what comes before, between and after the parts."""
    line = b"--" + boundary.encode()
    first = line + b"\r\n" + _fields("text/plain", plain) + b"\r\n"
    return first, b"\r\n" + line + b"\r\n" + _fields("text/html", html) + b"\r\n", b"\r\n" + line + b"--\r\n"


def encode(html: str, text: str, nonce: str) -> Parts:
    """Return both parts encoded, each in the smaller of quoted-printable and base64, with a reproducible boundary.

    Raises ContentError for a token of an unknown slot.
    """
    digest = hashlib.sha256(f"{nonce}\n{len(html)}\n{html}{text}".encode()).hexdigest()[:32]
    # `=_` occurs in neither encoding, so no body holds the boundary, whatever its values are.
    return Parts(f"=_{digest}", _smaller(text, nonce, SlotContext.PLAIN), _smaller(html, nonce, SlotContext.HTML))


def _smaller(document: str, nonce: str, place: SlotContext) -> "QuotedBody | Base64Body":
    lines = document.replace("\r\n", "\n").replace("\r", "\n")
    pieces = list(split(lines if lines.endswith("\n") else lines + "\n", nonce))
    quoted, base64 = QuotedBody.of(pieces, place), Base64Body.of(pieces, place)
    return quoted if quoted.size <= base64.size else base64


# Quoted-printable


@dataclass(frozen=True, slots=True)
class QuotedBody:
    """Encoded literals, each ending at a line end, and the positions of slots between them."""

    literals: Sequence[bytes]
    slots: Sequence[tuple[int, Slot]]
    place: SlotContext
    size: int
    encoding: str = "quoted-printable"

    @classmethod
    def of(cls, pieces: Sequence[str | Slot], place: SlotContext) -> "QuotedBody":
        """Encode the literals."""
        literals = [b"" if isinstance(piece, Slot) else quote_literal(piece) for piece in pieces]
        slots = [(at, piece) for at, piece in enumerate(pieces) if isinstance(piece, Slot)]
        return cls(literals, slots, place, sum(map(len, literals)))

    def splice(self, values: Mapping[Slot, str], everywhere: dict[Slot, bytes] | None = None) -> list[bytes]:
        """Return the body with values, each on lines of its own, joined by soft breaks.

        `everywhere` caches encoded values that are the same everywhere in a mail.
        """
        pieces, here = list(self.literals), dict[Slot, bytes]()
        everywhere = {} if everywhere is None else everywhere
        for at, slot in self.slots:
            value = everywhere.get(slot) or here.get(slot)
            if value is None:
                text = values[slot]
                # nearly all addresses need no escaping
                if slot.is_url and _PLAIN_ADDRESS.fullmatch(text):
                    value = everywhere[slot] = _soft(text.encode())
                else:
                    value = here[slot] = _escaped(slot, text, self.place)
            pieces[at] = value
        return pieces


@lru_cache(maxsize=1_000)  # many subscribers have the same interests
def _escaped(slot: Slot, value: str, place: SlotContext) -> bytes:
    return _soft(escape(slot, value, place).encode())


def quote_literal(text: str) -> bytes:
    """Return text in quoted-printable, ending with CRLF, with a soft break if the text does not end a line."""
    *lines, rest = text.encode().split(b"\n")
    return b"".join([*map(_hard, lines), _soft(rest)])


def _hard(line: bytes) -> bytes:
    if line[-1:] in _AT_LINE_END:  # a blank before the line's end would be lost
        return _soft(line[:-1]) + _AT_LINE_END[line[-1:]] + b"\r\n"
    return b"=\r\n".join(_cut(line)) + b"\r\n"


def _soft(line: bytes) -> bytes:
    return b"".join(piece + b"=\r\n" for piece in _cut(line)) if line else b""


def _cut(line: bytes) -> list[bytes]:
    """Return an encoded line in pieces of at most 75 columns that begin neither with a dot nor with `From `."""
    data = _UNSAFE.sub(lambda found: b"=" + hexlify(found[0], b"=").upper(), line)
    pieces, at, size = [], 0, len(data)
    while True:
        first = b""
        if data.startswith(b".", at):
            first, at = b"=2E", at + 1
        elif data.startswith(b"From ", at):
            first, at = b"=46", at + 1
        end = at + _LINE - len(first)
        if end < size:
            cut = data.rfind(b"=", end - 2, end)  # never inside `=XX`
            end = cut if cut >= 0 else end
        pieces.append(first + data[at:end])
        at = end
        if at >= size:
            return pieces


# Base64


@dataclass(frozen=True, slots=True)
class _Literal:
    """A literal with its encodings from byte 0, 1 and 2 on; the bytes before complete the preceding group."""

    data: bytes
    encoded: tuple[bytes, bytes, bytes]

    @classmethod
    def of(cls, text: str) -> "_Literal":
        data = text.replace("\n", "\r\n").encode()  # the canonical line ends of text, RFC 2045 section 6.8
        return cls(data, (_encoded(data, 0), _encoded(data, 1), _encoded(data, 2)))


def _encoded(data: bytes, start: int) -> bytes:
    return _base64(data[start : _end(data, start)])


def _end(data: bytes, start: int) -> int:
    return start + max(len(data) - start, 0) // 3 * 3


def _base64(data: bytes) -> bytes:
    lines = (data[i : i + _B64_LINE] for i in range(0, len(data), _B64_LINE))
    return b"".join(b2a_base64(line, newline=False) + b"\r\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Base64Body:
    """Literals encoded for every alignment of groups of three bytes, which depends on the length of values before.

    Up to two bytes at its front complete the group before it; its last one or two wait for what follows. So there is
    padding at the end only.
    """

    pieces: Sequence[_Literal | Slot]
    place: SlotContext
    size: int
    encoding: str = "base64"

    @classmethod
    def of(cls, pieces: Sequence[str | Slot], place: SlotContext) -> "Base64Body":
        """Encode the literals."""
        literals = [piece if isinstance(piece, Slot) else _Literal.of(piece) for piece in pieces]
        return cls(literals, place, sum(len(piece.encoded[0]) for piece in literals if isinstance(piece, _Literal)))

    def splice(self, values: Mapping[Slot, str], _everywhere: dict[Slot, bytes] | None = None) -> list[bytes]:
        """Return the body with values; encodings cannot be shared with other places of the mail."""
        out: list[bytes] = []
        carry = b""
        for piece in self.pieces:
            if isinstance(piece, Slot):
                carry += escape(piece, values[piece], self.place).encode()
                continue
            taken = -len(carry) % 3
            if len(piece.data) < taken:
                carry += piece.data
                continue
            if carry:
                out.append(_base64(carry + piece.data[:taken]))
            out.append(piece.encoded[taken])
            carry = piece.data[_end(piece.data, taken) :]
        out.append(_base64(carry))
        return out
