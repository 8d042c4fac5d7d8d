"""Transfer encoding of both parts of a mail, once for an edition, with personal values spliced in. Pure.

A document is split at its slots before encoding, since line breaks could cut tokens in encoded bytes. Literals are
encoded once for all editions of an issue that have them, and joined to one between two slots; values are encoded alone.

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
_B64_GROUPS = _B64_LINE // 3
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
    return joined(digest_of(html, text, nonce), whole(text, nonce), whole(html, nonce))


def digest_of(html: str, text: str, nonce: str) -> str:
    """Return a digest of both parts for their boundary."""
    return hashlib.sha256(f"{nonce}\n{len(html)}\n{html}{text}".encode()).hexdigest()


def whole(document: str, nonce: str) -> "PartOutline":
    """Return the outline of a part that is one piece."""
    ended = document if document.endswith(("\n", "\r")) else document + "\n"
    return PartOutline.of([Fragment.of(ended, nonce)])


def joined(digest: str, plain: "PartOutline", html: "PartOutline") -> Parts:
    """Return the parts that are made of fragments; `digest`, of their content, becomes the boundary."""
    # `=_` occurs in neither encoding, so no body holds the boundary, whatever its values are.
    return Parts(f"=_{digest[:32]}", plain.body(SlotContext.PLAIN), html.body(SlotContext.HTML))


# Fragments


class _Literal:
    """A text between slots, in both encodings. Base64 depends on the alignment of groups of three bytes."""

    __slots__ = ("_encoded", "data", "quoted")

    def __init__(self, text: str) -> None:
        self.quoted = quote_literal(text)
        self.data = text.replace("\n", "\r\n").encode()  # the canonical line ends of text, RFC 2045 section 6.8
        self._encoded: dict[int, bytes] = {}

    def encoded(self, start: int) -> bytes:
        """Return it in base64 from byte `start` on, without the last one or two bytes of an incomplete group."""
        if start not in self._encoded:
            self._encoded[start] = _base64(self.data[start : self.end(start)])
        return self._encoded[start]

    def end(self, start: int) -> int:
        return start + max(len(self.data) - start, 0) // 3 * 3

    @property
    def base64_size(self) -> int:
        groups = len(self.data) // 3
        return 4 * groups + 2 * -(-groups // _B64_GROUPS)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Fragment:
    """A piece of a part, encoded once for all editions that have it: literals, and the slots between them."""

    pieces: tuple[_Literal | Slot, ...]
    has_slots: bool
    quoted_size: int
    base64_size: int

    @classmethod
    def of(cls, text: str, nonce: str) -> "Fragment":
        """Encode a piece, as `slots.uncut` has it. Raises ContentError for a token of an unknown slot."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        pieces = tuple(piece if isinstance(piece, Slot) else _Literal(piece) for piece in split(lines, nonce) if piece)
        literals = [piece for piece in pieces if isinstance(piece, _Literal)]
        sizes = sum(len(one.quoted) for one in literals), sum(one.base64_size for one in literals)
        return cls(pieces, len(literals) < len(pieces), *sizes)

    @property
    def ends_a_line(self) -> bool:
        last = self.pieces[-1]
        return isinstance(last, _Literal) and last.data.endswith(b"\n")


@dataclass(frozen=True, slots=True)
class PartOutline:
    """One part of an edition before its literals are joined: runs of literals, and the slots between them."""

    pieces: tuple[tuple[_Literal, ...] | Slot, ...]
    quoted: bool

    @classmethod
    def of(cls, fragments: Sequence[Fragment]) -> "PartOutline":
        """Return the outline of a part; it ends with a line end, and has the smaller encoding of both."""
        fragments = [one for one in fragments if one.pieces]
        if not fragments or not fragments[-1].ends_a_line:
            fragments = [*fragments, Fragment.of("\n", "0" * 16)]
        pieces: list[tuple[_Literal, ...] | Slot] = []
        run: list[_Literal] = []
        for fragment in fragments:
            if not fragment.has_slots:
                run += fragment.pieces  # type: ignore[arg-type]
                continue
            for piece in fragment.pieces:
                if isinstance(piece, Slot):
                    pieces += [tuple(run), piece]
                    run = []
                else:
                    run.append(piece)
        quoted = sum([one.quoted_size for one in fragments]) <= sum([one.base64_size for one in fragments])
        return cls((*pieces, tuple(run)), quoted)

    def body(self, place: SlotContext) -> "QuotedBody | Base64Body":
        """Return the part with one literal for each run."""
        return (QuotedBody if self.quoted else Base64Body).of(self, place)


# Quoted-printable


@dataclass(frozen=True, slots=True)
class QuotedBody:
    """Encoded literals, each ending at a line end, and the positions of slots between them."""

    literals: Sequence[bytes]
    slots: Sequence[tuple[int, Slot]]
    place: SlotContext
    encoding: str = "quoted-printable"

    @classmethod
    def of(cls, part: PartOutline, place: SlotContext) -> "QuotedBody":
        """Join the literals."""
        pieces = part.pieces
        literals = [b"" if isinstance(one, Slot) else b"".join([literal.quoted for literal in one]) for one in pieces]
        return cls(literals, [(at, one) for at, one in enumerate(pieces) if isinstance(one, Slot)], place)

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
                    value = everywhere[slot] = _soft_plain(text.encode())
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


def _soft_plain(line: bytes) -> bytes:
    """Return the same as `_soft` for a line that needs no escaping."""
    pieces = [line[at : at + _LINE] for at in range(0, len(line), _LINE)]
    if b"." in [piece[:1] for piece in pieces]:
        return _soft(line)
    pieces.append(b"")
    return b"=\r\n".join(pieces)


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


class _Run:
    """Literals between two slots, joined for each alignment that is needed."""

    __slots__ = ("_joined", "head", "length", "literals")

    def __init__(self, literals: Sequence[_Literal]) -> None:
        self.literals = literals
        self.length = sum(len(one.data) for one in literals)
        self.head = b"".join([one.data[:2] for one in literals[:2]])[:2]  # no literal is empty
        self._joined: dict[int, tuple[bytes, bytes]] = {}

    def joined(self, start: int) -> tuple[bytes, bytes]:
        """Return it in base64 from byte `start` on, and the one or two bytes that wait for what follows."""
        if start not in self._joined:
            self._joined[start] = self._join(start)
        return self._joined[start]

    def _join(self, start: int) -> tuple[bytes, bytes]:
        out, carry, skip = [], b"", start
        for literal in self.literals:
            begin = min(skip, len(literal.data))
            skip -= begin
            taken = begin + -len(carry) % 3
            if len(literal.data) < taken:
                carry += literal.data[begin:]
                continue
            if carry:
                out.append(_base64(carry + literal.data[begin:taken]))
            out.append(literal.encoded(taken))
            carry = literal.data[literal.end(taken) :]
        return b"".join(out), carry


def _base64(data: bytes) -> bytes:
    if 0 < len(data) <= _B64_LINE:  # as most values are
        return b2a_base64(data, newline=False) + b"\r\n"
    lines = (data[i : i + _B64_LINE] for i in range(0, len(data), _B64_LINE))
    return b"".join(b2a_base64(line, newline=False) + b"\r\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Base64Body:
    """Runs of literals, each joined for the alignment that follows from the length of values before.

    Up to two bytes at its front complete the group before it; its last one or two wait for what follows. So there is
    padding at the end only.
    """

    pieces: Sequence[_Run | Slot]
    place: SlotContext
    encoding: str = "base64"

    @classmethod
    def of(cls, part: PartOutline, place: SlotContext) -> "Base64Body":
        """Join the literals, when they are needed."""
        return cls([piece if isinstance(piece, Slot) else _Run(piece) for piece in part.pieces], place)

    def splice(self, values: Mapping[Slot, str], _everywhere: dict[Slot, bytes] | None = None) -> list[bytes]:
        """Return the body with values; encodings cannot be shared with other places of the mail."""
        out: list[bytes] = []
        carry = b""
        for piece in self.pieces:
            if isinstance(piece, Slot):
                carry += escape(piece, values[piece], self.place).encode()
                continue
            taken = -len(carry) % 3
            if piece.length < taken:
                carry += piece.head
                continue
            if carry:
                out.append(_base64(carry + piece.head[:taken]))
            encoded, carry = piece.joined(taken)
            out.append(encoded)
        out.append(_base64(carry))
        return out
