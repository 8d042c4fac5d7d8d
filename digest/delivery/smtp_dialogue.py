"""Reading and writing on an SMTP connection: whole replies within a deadline, and blocks whose fate is known."""

import re
import socket
import ssl
import time
from dataclasses import dataclass

from digest.delivery.outcome import clean_reply, enhanced_status

# RFC 5321 section 4.5.3.1.5 allows 512 octets a line; real servers exceed that, but not by this much.
MAX_REPLY_BYTES = 64 * 1024
READ_BYTES = 8 * 1024
WRITE_BYTES = 64 * 1024

# A code that begins with another digit has no meaning in SMTP (RFC 5321 section 4.2.1).
_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)


class ConnectionLostError(OSError):
    """The connection ended before a whole reply came. `handed` bounds how many bytes of a failed write have left."""

    def __init__(self, message: str, *, handed: int = 0) -> None:
        super().__init__(message)
        self.handed = handed


class NoAnswerError(ConnectionLostError):
    """The server did not answer, or take our bytes, in time."""


class GarbledReplyError(ConnectionLostError):
    """What came is not an SMTP reply; nothing that follows on this connection can be trusted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply of the server: its code and the text of its lines."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def enhanced(self) -> str | None:
        """Return the enhanced status code, if the reply has one."""
        return enhanced_status([line.decode("utf-8", "replace") for line in self.lines])

    @property
    def text(self) -> str:
        """Return the server's words, cleaned."""
        return clean_reply(b" ".join(self.lines).decode("utf-8", "replace"))


class Wire:
    """One connected socket, plain or TLS. What is read ahead belongs to the next reply."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._ahead = bytearray()

    def read(self, timeout: float) -> Answer:
        """Return the next whole reply.

        `timeout` (seconds) is for the whole reply, however slowly its bytes drip. Raises ConnectionLostError,
        NoAnswerError, or GarbledReplyError when it is no reply, mixes codes or has more than 64 KB.
        """
        deadline = time.monotonic() + timeout
        lines: list[bytes] = []
        codes: set[bytes] = set()
        size = 0
        while True:
            line = self._line(deadline)
            size += len(line)
            match = _REPLY_LINE.fullmatch(line)
            if not match or size > MAX_REPLY_BYTES:
                raise GarbledReplyError(f"the server sent something that is no SMTP reply: {_excerpt(line)}")
            code, separator, text = match.groups()
            codes.add(code)
            lines.append(text or b"")
            if separator != b"-":
                break
        if len(codes) > 1:
            raise GarbledReplyError(
                f"the server sent one reply with several codes: {_excerpt(b' '.join(sorted(codes)))}"
            )
        return Answer(int(code), tuple(lines))

    def write(self, data: bytes, timeout: float) -> None:
        """Send all of `data`; `timeout` (seconds) is for each block of at most 64 KB.

        Raises ConnectionLostError whose `handed` counts the bytes that have left or may have: a failed call under TLS
        can have sent a part of its block, so the whole block counts.
        """
        view = memoryview(data)
        sent = 0
        while sent < len(view):
            block = view[sent : sent + WRITE_BYTES]
            self.sock.settimeout(timeout)
            try:
                sent += self.sock.send(block)
            except TimeoutError as error:
                raise NoAnswerError("the server stopped taking our bytes", handed=sent + len(block)) from error
            except OSError as error:
                raise ConnectionLostError(_broken(error), handed=sent + len(block)) from error

    def has_input(self) -> bool:
        """Return whether the server spoke, or closed, without being asked: between mails that is its goodbye."""
        if self._ahead:
            return True
        self.sock.settimeout(0)
        try:
            self._ahead += self.sock.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    def is_read_up(self) -> bool:
        """Return whether nothing was read ahead."""
        return not self._ahead

    def _line(self, deadline: float) -> bytes:
        searched = 0
        while (end := self._ahead.find(b"\n", searched)) < 0:
            searched = len(self._ahead)
            if searched > MAX_REPLY_BYTES:
                raise GarbledReplyError("the server sent a line without an end")
            self._ahead += self._receive(deadline)
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 1]
        return line.removesuffix(b"\r")

    def _receive(self, deadline: float) -> bytes:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise NoAnswerError("the server did not answer in time")
        self.sock.settimeout(remaining)
        try:
            data = self.sock.recv(READ_BYTES)
        except TimeoutError as error:
            raise NoAnswerError("the server did not answer in time") from error
        except OSError as error:
            raise ConnectionLostError(_broken(error)) from error
        if not data:
            raise ConnectionLostError("the server closed the connection")
        return data


def _broken(error: OSError) -> str:
    return f"the connection broke: {error.strerror or type(error).__name__}"


def _excerpt(line: bytes) -> str:
    return clean_reply(line[:80].decode("ascii", "replace"))
