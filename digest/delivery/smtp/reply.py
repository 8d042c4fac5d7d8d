"""Parser of SMTP replies from a byte stream, however it is cut. Pure."""

from functools import lru_cache
from typing import NamedTuple

from digest.delivery.outcome import clean_reply, enhanced_status

# RFC 5321 section 4.5.3.1.5 allows 512 octets a line; real servers exceed that, but not by this much.
MAX_REPLY_BYTES = 64 * 1024

# A code that begins with another digit has no meaning in SMTP (RFC 5321 section 4.2.1).
_CODES = {str(code).encode(): code for code in range(200, 600)}
_SEPARATORS = frozenset({b" ", b"-", b""})


class GarbledReplyError(OSError):
    """What came is not an SMTP reply; nothing that follows on this connection can be trusted."""


class SmtpReply(NamedTuple):
    """A server's reply: its code and the text of its lines."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def enhanced(self) -> str | None:
        return _enhanced(self.lines)

    @property
    def text(self) -> str:
        return _text(self.lines)

    @property
    def is_no(self) -> bool:
        return 400 <= self.code < 600


@lru_cache(maxsize=64)  # most servers answer most mails with the same words
def _enhanced(lines: tuple[bytes, ...]) -> str | None:
    return enhanced_status([line.decode("utf-8", "replace") for line in lines])


@lru_cache(maxsize=64)
def _text(lines: tuple[bytes, ...]) -> str:
    return clean_reply(b" ".join(lines).decode("utf-8", "replace"))


class ReplyReader:
    """Takes bytes, returns replies. Bytes read ahead belong to the next reply."""

    __slots__ = ("_ahead", "_at", "_codes", "_lines", "_searched", "_size")

    def __init__(self) -> None:
        self._ahead = b""
        self._at = 0
        self._searched = 0
        self._lines: list[bytes] = []
        self._codes: set[bytes] = set()
        self._size = 0

    @property
    def is_read_up(self) -> bool:
        """Whether nothing was read ahead, not even a part of a reply."""
        return self._at == len(self._ahead) and not self._lines

    def feed(self, data: bytes) -> None:
        self._ahead = self._ahead[self._at :] + data if self._at < len(self._ahead) else data
        self._at = 0

    def next(self) -> SmtpReply | None:
        """Return the next reply, or None if it is not whole yet.

        Raises GarbledReplyError if it is no reply, mixes codes or has more than 64 KB.
        """
        ahead, at = self._ahead, self._at
        while (end := ahead.find(b"\n", at + self._searched)) >= 0:
            line = ahead[at:end]
            self._at = at = end + 1
            self._searched = 0
            if line.endswith(b"\r"):
                line = line[:-1]
            code, separator = line[:3], line[3:4]
            if code not in _CODES or separator not in _SEPARATORS or self._size + len(line) > MAX_REPLY_BYTES:
                raise GarbledReplyError(f"the server sent an invalid SMTP reply: {_excerpt(line)}")
            if separator != b"-":
                return self._whole(code, line[4:]) if self._lines else SmtpReply(_CODES[code], (line[4:],))
            self._size += len(line)
            self._codes.add(code)
            self._lines.append(line[4:])
        # a line that drips in byte by byte is not searched from its beginning each time
        self._searched = len(ahead) - at
        if self._searched > MAX_REPLY_BYTES:
            raise GarbledReplyError("the server sent a line without an end")
        return None

    def _whole(self, code: bytes, text: bytes) -> SmtpReply:
        lines, codes = (*self._lines, text), {*self._codes, code}
        self._lines.clear()
        self._codes.clear()
        self._size = 0
        if len(codes) > 1:
            raise GarbledReplyError(
                f"the server sent one reply with several codes: {_excerpt(b' '.join(sorted(codes)))}"
            )
        return SmtpReply(_CODES[code], lines)


def _excerpt(line: bytes) -> str:
    return clean_reply(line[:80].decode("ascii", "replace"))
