"""Dot-stuffing of message content (RFC 5321 section 4.5.2). Pure.

Content of our own encoder needs none, and is not searched. In other messages large pieces may be the same objects for
every recipient: they are searched once, then only small pieces and the borders between pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from digest.delivery.transport import Encoded

FINAL_DOT = b".\r\n"
_CRLF = b"\r\n"
_AT_BORDER = frozenset({b"", b".", b"\n"})
_LARGE = 1024
_MAX_HELD_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Content:
    """Pieces for the wire with the final dot; `size` is their number of bytes."""

    pieces: list[bytes]
    size: int
    is_ascii: bool


class Stuffing:
    """Doubles leading dots, and caches the large pieces it has seen. For one thread."""

    def __init__(self) -> None:
        # By id: hashing a piece costs as much as searching it. Holding the piece keeps its id from being given away.
        self._known: dict[int, tuple[bytes, bytes, bool]] = {}
        self._held = 0

    def content(self, message: Sequence[bytes]) -> Content:
        if isinstance(message, Encoded):
            return Content([*message, FINAL_DOT], sum(map(len, message)) + len(FINAL_DOT), is_ascii=True)
        pieces: list[bytes] = []
        small: list[bytes] = []
        is_ascii, before, known = True, _CRLF, self._known
        for piece in message:
            if piece[:1] in _AT_BORDER:  # empty, or with `before` it may make a line that begins with a dot
                if not piece:
                    continue
                if len(before) < 2 or (piece.startswith(b"\n.") and before.endswith(b"\r")):
                    return self.content([b"".join(message)])
                if piece.startswith(b".") and before.endswith(_CRLF):
                    pieces.append(b".")
            before = piece
            if len(piece) > _LARGE:
                _, stuffed, piece_is_ascii = known.get(id(piece)) or self._look_at(piece)
                pieces.append(stuffed)
                is_ascii = is_ascii and piece_is_ascii
            else:
                pieces.append(piece)
                small.append(piece)
        # one search for all: what it may find beyond the pieces costs a look and no mistake
        together = b"".join(small)
        if b"\r\n." in together:
            pieces = [p.replace(b"\r\n.", b"\r\n..") if len(p) <= _LARGE else p for p in pieces]
        pieces.append(FINAL_DOT if pieces and _ends_a_line(pieces) else _CRLF + FINAL_DOT)
        return Content(pieces, sum(map(len, pieces)), is_ascii and together.isascii())

    def _look_at(self, piece: bytes) -> tuple[bytes, bytes, bool]:
        self._held += len(piece)
        if self._held > _MAX_HELD_BYTES:
            self._known.clear()
            self._held = len(piece)
        # looking first spares most pieces the copy
        stuffed = piece.replace(b"\r\n.", b"\r\n..") if b"\r\n." in piece else piece
        found = self._known[id(piece)] = (piece, stuffed, piece.isascii())
        return found


def _ends_a_line(pieces: list[bytes]) -> bool:
    last = pieces[-1]
    return (last if len(last) > 1 else b"".join(pieces[-2:])).endswith(_CRLF)
