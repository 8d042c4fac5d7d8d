"""Whatever a server does, a message ends in one outcome that fits what the server did with it."""

import re
import socket
import struct
import threading
from collections import Counter
from typing import BinaryIO, Self

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.delivery.outcome import Outcome
from digest.delivery.relay import RelayConfig, Timeouts
from digest.delivery.smtp import SmtpTransport
from digest.delivery.transport import Envelope, RelayRefusedError
from digest.runtime.errors import RelayUnreachableError

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
    "450 4.2.1 slow\r\n",
    "503 5.5.1 order\r\n",
    "550 5.1.1 none\r\n",
    "530 5.7.0 login\r\n",
    "999 what\r\n",
    "\x00\x01\x02",
    "\r\n",
    "x" * 70_000,
]
ACTIONS = st.one_of(*[st.just(WELL)] * 4, st.sampled_from(ODD))


class OddServer:
    """Answers each command with the next of its actions, and well when they are used up; remembers what it holds."""

    def __init__(self, actions: list[str], *, pipelining: bool) -> None:
        self._actions = iter(actions)
        self._ehlo = "250-odd\r\n250 PIPELINING\r\n" if pipelining else "250 odd\r\n"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.said_yes: Counter[bytes] = Counter()
        self.said_no: Counter[bytes] = Counter()
        self.left_open: Counter[bytes] = Counter()
        self.empty_to_somebody = False
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # wakes accept, which a close in another thread does not
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                connection.settimeout(5)
                try:
                    if self._answer(connection, "220 odd\r\n"):
                        self._talk(connection, lines)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket, lines: BinaryIO) -> None:
        recipients = 0
        while line := lines.readline():
            verb = line[:4].upper()
            good = {b"EHLO": self._ehlo, b"DATA": "354 go\r\n", b"QUIT": "221 bye\r\n"}.get(verb, "250 ok\r\n")
            said = self._answer(connection, good)
            if not said:
                return
            recipients = {b"MAIL": 0, b"RCPT": recipients + said.startswith("250")}.get(verb, recipients)
            if verb == b"DATA" and said == "354 go\r\n" and not self._take(connection, lines, recipients):
                return

    def _take(self, connection: socket.socket, lines: BinaryIO, recipients: int) -> bool:
        body = b""
        while (line := lines.readline()) != b".\r\n":
            if not line.endswith(b"\r\n"):
                return True  # broken off: the server has nothing
            body += line
        if not body:
            self.empty_to_somebody |= recipients > 0
            return bool(self._answer(connection, "554 nobody\r\n"))
        key = body.split(b"\r\n")[0]
        # counted before the answer is on its way, as the client may be faster than this thread
        action = next(self._actions, WELL) or "250 ok\r\n"
        if re.fullmatch(r"250([ ].*|-.*\r\n250 .*)\r\n(250 .*\r\n)?", action) and "half" not in action:
            self.said_yes[key] += 1
        elif re.fullmatch(r"[45]\d\d .*\r\n", action):
            self.said_no[key] += 1
        else:
            self.left_open[key] += 1
        return self._act(connection, action)

    def _answer(self, connection: socket.socket, good: str) -> str:
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, max_size=30), st.booleans())
def test_a_message_ends_in_one_outcome_that_fits_what_the_server_holds(actions: list[str], pipelining: bool) -> None:
    timeouts = Timeouts(0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, goodbye=0.05)
    with OddServer(actions, pipelining=pipelining) as server:
        transport = SmtpTransport(RelayConfig("127.0.0.1", server.port, helo="x.example.org", timeouts=timeouts))
        endings = {}
        for n in range(4):
            key = f"Id: {n}".encode()
            try:
                message = [key, b"\r\n\r\n.x\r\n"]
                endings[key] = transport.send(Envelope(str(n), "a@example.org", "b@example.org"), message).outcome
            except (RelayRefusedError, RelayUnreachableError):
                endings[key] = Outcome.NOT_SENT
        transport.close()
    assert not server.empty_to_somebody
    for key, outcome in endings.items():
        held = server.said_yes[key] + server.left_open[key]
        assert held <= 1, "the same message was handed over twice"
        if outcome is Outcome.ACCEPTED:
            assert server.said_yes[key] == 1
        if held:
            assert outcome in {Outcome.ACCEPTED, Outcome.UNCERTAIN}, "it would be sent again"
        if outcome is Outcome.REJECTED:
            assert not held
