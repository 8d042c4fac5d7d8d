"""A relay in threads that answers as it is told, on any number of connections, and remembers what it holds."""

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from typing import BinaryIO, Self

from hypothesis import strategies as st

WELL = ""
ODD = [
    "drop",
    "reset",
    "silent",
    "250 ok\r\n",
    "250 ok\r\n250 again\r\n",
    "250-2.0.0 more\r\n250 2.0.0 ok\r\n",
    "250-never\r\n",
    "250 half",
    "250-a\r\n550 b\r\n",
    "354 go\r\n",
    "421 4.7.28 bye\r\n",
    "421 4.3.2 bye\r\n",
    "450 4.2.1 slow\r\n",
    "503 5.5.1 order\r\n",
    "550 5.1.1 none\r\n",
    "530 5.7.0 login\r\n",
    "999 what\r\n",
    "\x00\x01\x02",
    "\r\n",
    "x" * 70_000,
]
NOISE = st.binary(max_size=40).map(lambda noise: noise.decode("latin-1"))
ACTIONS = st.one_of(*[st.just(WELL)] * 5, st.sampled_from(ODD), st.sampled_from(ODD), NOISE)


class Holdings:
    """What a server made of each message, by its first line."""

    def __init__(self) -> None:
        self.said_yes: Counter[bytes] = Counter()
        self.said_no: Counter[bytes] = Counter()
        self.left_open: Counter[bytes] = Counter()
        self.began_a_yes: Counter[bytes] = Counter()  # of those: the answer to the next command may complete it
        self.empty_to_somebody = False

    def note(self, key: bytes, answer: str) -> None:
        """Note a whole message and what the server is about to answer."""
        if re.fullmatch(r"250([ ].*|-.*\r\n250 .*)\r\n(250 .*\r\n)?", answer) and "half" not in answer:
            self.said_yes[key] += 1
        elif re.fullmatch(r"[45]\d\d .*\r\n", answer):
            self.said_no[key] += 1
        else:
            self.left_open[key] += 1
            self.began_a_yes[key] += answer.startswith("250")


class OddServer:
    """Answers each command with the next of its actions, and well when they are used up.

    After `close_after` messages, or EHLO if it `hangs_up`, a connection is closed without a word; `window` makes the
    receive buffer so small (bytes).
    """

    def __init__(
        self,
        actions: Sequence[str] = (),
        *,
        pipelining: bool = True,
        close_after: int = 0,
        hangs_up: bool = False,
        window: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._actions = iter(actions)
        self._lock = threading.Lock()
        self._ehlo = "250-odd\r\n250 PIPELINING\r\n" if pipelining else "250 odd\r\n"
        self._close_after = close_after
        self._hangs_up = hangs_up
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        if window:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.port: int = self._listener.getsockname()[1]
        self.holds = Holdings()
        self.bodies: dict[bytes, bytes] = {}
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._talks: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # wakes accept, which a close in another thread does not
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in (self._thread, *self._talks):
            thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._talks.append(threading.Thread(target=self._attend, args=(connection,)))
            self._talks[-1].start()

    def _attend(self, plain: socket.socket) -> None:
        plain.settimeout(10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each answer is a write of its own
        with contextlib.suppress(OSError), plain, contextlib.ExitStack() as stack:
            connection = plain
            if self._context:
                connection = stack.enter_context(self._context.wrap_socket(plain, server_side=True))
            lines = stack.enter_context(connection.makefile("rb"))
            if self._answer(connection, "220 odd\r\n"):
                self._talk(connection, lines)

    def _talk(self, connection: socket.socket, lines: BinaryIO) -> None:
        recipients = taken = 0
        while line := lines.readline():
            verb = line[:4].upper()
            good = {b"EHLO": self._ehlo, b"DATA": "354 go\r\n", b"QUIT": "221 bye\r\n"}.get(verb, "250 ok\r\n")
            said = self._answer(connection, good)
            if not said or verb == b"QUIT" or (verb == b"EHLO" and self._hangs_up):
                return
            recipients = {b"MAIL": 0, b"RCPT": recipients + said.startswith("250")}.get(verb, recipients)
            if verb == b"DATA" and said == "354 go\r\n":
                taken += 1
                if not self._take(connection, lines, recipients) or taken == self._close_after:
                    return

    def _take(self, connection: socket.socket, lines: BinaryIO, recipients: int) -> bool:
        body = bytearray()
        while (line := lines.readline()) != b".\r\n":
            if not line.endswith(b"\r\n"):
                return True  # broken off: the server has nothing
            body += line
        if not body:
            self.holds.empty_to_somebody |= recipients > 0
            return bool(self._answer(connection, "554 nobody\r\n"))
        key = bytes(body).split(b"\r\n")[0]
        with self._lock:
            action = next(self._actions, WELL) or "250 ok\r\n"
            # noted before the answer is on its way, as the client may be faster than this thread
            self.holds.note(key, action)
            self.bodies[key] = bytes(body)
        return self._act(connection, action)

    def _answer(self, connection: socket.socket, good: str) -> str:
        with self._lock:
            said = next(self._actions, WELL) or good
        return said if self._act(connection, said) else ""

    def _act(self, connection: socket.socket, action: str) -> bool:
        match action:
            case "drop":
                return False
            case "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case "silent":
                connection.recv(1)
                return False
            case _:
                connection.sendall(action.encode("latin-1"))
                return True
