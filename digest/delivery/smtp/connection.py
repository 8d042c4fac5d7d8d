"""Non-blocking socket of an SMTP conversation, with a deadline for what is awaited."""

import fcntl
import socket
import ssl
import termios
import time
from array import array
from collections.abc import Callable
from contextlib import suppress

from digest.delivery.smtp.conversation import Conversation
from digest.delivery.smtp.reply import GarbledReplyError, ReplyReader

READ_BYTES = 64 * 1024
SEND_BUFFER = 512 * 1024
"""Large enough for a usual message in one call; the system may grant less."""
_YOUNG_SECONDS = 5.0
_TLS_BLOCK = 16 * 1024  # a TLS record: what a failed call may have sent a part of
_PLAIN_BLOCK = 128 * 1024  # so that the end of a large message does not count as sent with its beginning
_TLS_OVERHEAD = 256  # of the records behind the final dot
_BLOCKED = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
FOREVER = float("inf")


class Link:
    """A connection and its conversation. `deadline` is in seconds of the monotonic clock."""

    def __init__(self, sock: socket.socket, conversation: Conversation, goodbye: float) -> None:
        """Take over a connected, logged-in socket, plain or TLS; `goodbye` is how long QUIT may take."""
        sock.setblocking(False)
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < SEND_BUFFER:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.sock = sock
        self.conversation = conversation
        self.deadline = FOREVER
        self.is_watched_for_writing = False
        self._goodbye = goodbye
        self._since = time.monotonic()
        self._leaving: _Leaving | None = None
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._block = _TLS_BLOCK if self._is_tls else _PLAIN_BLOCK
        self._number = array("i", [0])
        conversation.in_transit = self._in_transit

    @property
    def is_over(self) -> bool:
        return self._leaving.is_over if self._leaving else self.conversation.is_over

    @property
    def was_useless(self) -> bool:
        """Whether the server closed it at once, before any mail had begun."""
        is_young = time.monotonic() - self._since < _YOUNG_SECONDS
        return self.is_over and not self._leaving and self.conversation.carried == 0 and is_young

    @property
    def is_leaving(self) -> bool:
        return self._leaving is not None

    @property
    def is_idle(self) -> bool:
        return not (self._leaving or self.conversation.pending or self.conversation.is_over)

    @property
    def has_unsent(self) -> bool:
        """Whether it waits to be able to write."""
        return not self._leaving and self.conversation.has_unsent

    def begin(self) -> None:
        if self._told(termios.FIONREAD):  # it would be taken for the answer to what is about to be written
            self._guarded(self._read)
        self._guarded(self.conversation.begin)
        self._write()
        self._wait_anew()

    def handle(self) -> None:
        self._guarded(self._read)

    def expire(self) -> None:
        if self._leaving:
            self._leaving.is_over = True
        else:
            why = "the server stopped accepting data" if self.has_unsent else "the server did not answer in time"
            self.conversation.lost(why, closed=False)

    def leave(self) -> None:
        """Send QUIT; nothing depends on the answer."""
        self._leaving = _Leaving(self.conversation.pending + 1)
        self.deadline = time.monotonic() + self._goodbye
        try:
            self.sock.send(b"QUIT\r\n")
        except OSError:
            self._leaving.is_over = True

    def close(self) -> None:
        self.sock.close()

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException:
            # an interrupt in the middle leaves a connection out of step
            self.conversation.lost("the conversation was interrupted", closed=False)
            raise

    def _read(self) -> None:
        progress = 0
        while not self.is_over:
            try:
                data = self.sock.recv(READ_BYTES)
            except _BLOCKED:
                break
            except OSError as error:
                self._gone(_broken(error))
                return
            if not data:
                self._gone("the server closed the connection")
                return
            progress += self._leaving.receive(data) if self._leaving else self.conversation.receive(data)
            # What came before we write does not answer it; and select does not see what TLS has decrypted already.
            has_more = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
            if not has_more and not (self.has_unsent and self._told(termios.FIONREAD)):
                break
        if self.has_unsent and not self.is_over:
            progress += self._write()
        if progress:
            self._wait_anew()

    def _write(self) -> int:
        """Write as much as the socket takes; return how many bytes."""
        conversation, total = self.conversation, 0
        while conversation.has_unsent and not conversation.is_over:
            block = conversation.unsent
            if len(block) > self._block:
                block = block[: self._block]
            if not conversation.may_send(len(block)):
                break
            try:
                count = self.sock.send(block)
            except _BLOCKED:
                break
            except OSError as error:
                if self._is_tls:
                    conversation.sent(len(block))
                with suppress(OSError):  # a server that closes says why before
                    if data := self.sock.recv(READ_BYTES):
                        conversation.receive(data)
                self._gone(_broken(error))
                break
            conversation.sent(count)
            total += count
        return total

    def _in_transit(self) -> int:
        """Return how many bytes the server's machine has not acknowledged."""
        return self._told(termios.TIOCOUTQ) - (_TLS_OVERHEAD if self._is_tls else 0)

    def _told(self, request: int) -> int:
        """Return a count of bytes by ioctl; 0 where the system does not tell."""
        with suppress(OSError):
            fcntl.ioctl(self.sock, request, self._number)
            return self._number[0]
        return 0

    def _gone(self, why: str) -> None:
        if self._leaving:
            self._leaving.is_over = True
        self.conversation.lost(why, closed=True)

    def _wait_anew(self) -> None:
        if not self._leaving:
            patience = self.conversation.patience
            self.deadline = FOREVER if patience is None else time.monotonic() + patience


class _Leaving:
    """Waits for the answer to QUIT, and for those still to come before it."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._reader = ReplyReader()
        self.is_over = False

    def receive(self, data: bytes) -> int:
        try:
            self._reader.feed(data)
            while self._reader.next():
                self._answers -= 1
        except GarbledReplyError:
            self._answers = 0
        self.is_over = self.is_over or self._answers <= 0
        return 0


def _broken(error: OSError) -> str:
    return f"the connection broke: {error.strerror or type(error).__name__}"
