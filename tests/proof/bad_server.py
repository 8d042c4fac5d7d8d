"""A server that fails in the ways that Postfix's smtp-sink cannot: each command has the answer that it is told."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

SILENCE = b"(silence)"
CLOSE = b"(close)"


@dataclass(frozen=True)
class Behaviour:
    """`answers` by command, "." for the end of a mail; `most` mails on a connection, then it closes, with `goodbye` by 421.

    `dies`: and nobody listens any more. `slow`: it reads mails bit by bit. `tls`: it offers STARTTLS with a certificate
    that nobody trusts.
    """

    answers: Mapping[bytes, bytes] = field(default_factory=dict)
    greeting: bytes = b"220 bad.example ESMTP"
    size: int = 10_000_000
    most: int = 1_000
    goodbye: bool = False
    dies: bool = False
    slow: bool = False
    tls: bool = False


class BadServer:
    """Listens while it is entered."""

    def __init__(self, behaviour: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self._behaviour = behaviour
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._listen)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._close_listener()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _close_listener(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), connection:
            _Talk(connection, self._behaviour, self._context, self).go_on()

    def die(self) -> None:
        """Listen no more."""
        self._close_listener()

    def be_silent(self) -> None:
        """Return when the test is over."""
        self._ended.wait(60)


class _Talk:
    """One connection."""

    def __init__(
        self, connection: socket.socket, behaviour: Behaviour, context: ssl.SSLContext | None, server: BadServer
    ) -> None:
        self._connection = connection
        self._behaviour = behaviour
        self._context = context
        self._server = server
        self._ahead = b""
        self._mails = 0

    def go_on(self) -> None:
        self._say(self._behaviour.greeting)
        while self._mails < self._behaviour.most:
            self._command()
        if self._behaviour.goodbye:
            self._say(b"421 4.3.2 that is enough")
        self._connection.shutdown(socket.SHUT_WR)
        self._connection.settimeout(2)
        while self._connection.recv(65536):
            pass

    def _command(self) -> None:
        verb = self._until(b"\r\n")[:4].upper()
        if verb == b"EHLO":
            offers = [b"PIPELINING", b"AUTH PLAIN", b"STARTTLS" if self._behaviour.tls else b"8BITMIME"]
            lines = [b"bad.example", *offers, b"SIZE %d" % self._behaviour.size]
            self._say(b"\r\n".join(b"250" + (b" " if line is lines[-1] else b"-") + line for line in lines))
        elif verb == b"STAR":
            assert self._context
            self._say(b"220 go on")
            self._connection = self._context.wrap_socket(self._connection, server_side=True)
        elif verb == b"DATA":
            self._say(self._behaviour.answers.get(verb, b"354 go on"))
            self._until(b"\r\n.\r\n")
            self._mails += 1
            if self._behaviour.dies and self._mails == self._behaviour.most:
                self._server.die()
            self._say(self._behaviour.answers.get(b".", b"250 2.0.0 kept"))
        else:
            self._say(self._behaviour.answers.get(verb, b"250 2.0.0 well"))
            if verb == b"QUIT":
                raise EOFError

    def _say(self, text: bytes) -> None:
        if text == SILENCE:
            self._server.be_silent()
            raise EOFError
        self._connection.sendall(text.removesuffix(CLOSE) + (b"" if text.endswith(CLOSE) else b"\r\n"))
        if text.endswith(CLOSE):
            raise EOFError

    def _until(self, end: bytes) -> bytes:
        while (at := self._ahead.find(end)) < 0:
            if self._behaviour.slow:
                time.sleep(0.01)
            data = self._connection.recv(4096 if self._behaviour.slow else 65536)
            if not data:
                raise EOFError
            self._ahead += data
        found, self._ahead = self._ahead[:at], self._ahead[at + len(end) :]
        return found
