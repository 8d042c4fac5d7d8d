"""A server that follows a dialogue file line by line, on a real socket.

    S: text       send the line and CRLF
    S! text       send exactly this; Python's escapes are understood
    C: text       read a line, which must begin with the text (in either case: smtplib says `ehlo`)
    C: ...        read on to CRLF.CRLF, the end of a message
    connect       the client is to connect again (the first connection needs no word); until then nothing is read
    drip text     send the text, a byte each twentieth of a second, then close
    drop          close the connection
    reset         close it so that the client gets ECONNRESET
    wait          say nothing until the client gives up
    fill N        read N bytes of what follows
    nothing       nothing was read beyond the last line

Lines for the client: `to ADDRESS` and `size BYTES` hold for the messages after them; `timeout SECONDS`, `login` (a user
name and password), `tls PROTECTION`, `most MAILS` (on one connection) and `chained` (all messages are there from the
beginning) for the whole dialogue. Each `expect OUTCOME PHASE [CODE [ENHANCED]]`, `expect refused` or
`expect unreachable` sends one message and says how that ends.
"""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SERVER_WORDS = {"S:", "S!", "drip", "C:", "connect", "drop", "reset", "wait", "fill", "nothing"}
CLIENT_WORDS = {"to", "size", "timeout", "login", "tls", "most", "chained", "expect"}


@dataclass(frozen=True)
class Step:
    """One line of a dialogue."""

    number: int
    word: str
    text: str


def read_dialogue(path: Path) -> list[Step]:
    return dialogue(path.read_text(encoding="utf-8"), path.name)


def dialogue(text: str, name: str = "dialogue") -> list[Step]:
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            word, _, text = line.partition(" ")
            assert word in SERVER_WORDS | CLIENT_WORDS, f"{name}:{number}: no such word: {word}"
            steps.append(Step(number, word, text))
    return steps


class ScriptedServer:
    """Follows the server's steps in a thread; what went otherwise than written is raised at the end."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = [step for step in steps if step.word in SERVER_WORDS]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.port: int = self._listener.getsockname()[1]
        self.received = bytearray()
        self._connection: socket.socket | None = None
        self._ahead = bytearray()
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._listener.close()
        assert not self._thread.is_alive(), "the script did not come to its end"
        if self._problem:
            raise self._problem

    def _run(self) -> None:
        step = Step(0, "connect", "")
        try:
            self._follow(step)
            for step in self._steps:
                self._follow(step)
            self._say_goodbye()
        except (OSError, AssertionError) as error:
            error.add_note(f"line {step.number}: {step.word} {step.text}")
            self._problem = error
        finally:
            if self._connection:
                self._connection.close()

    def _follow(self, step: Step) -> None:
        if step.word == "connect":
            self._accept()
            return
        assert self._connection
        match step.word:
            case "S:":
                self._connection.sendall(step.text.encode() + b"\r\n")
            case "S!":
                self._send(step.text.encode().decode("unicode_escape").encode("latin-1"))
            case "drip":
                for byte in step.text.encode():
                    self._send(bytes([byte]))
                    time.sleep(0.05)
                self._connection.close()
            case "reset":
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._connection.close()
            case "drop":
                self._connection.close()
            case _:
                self._listen(step)

    def _listen(self, step: Step) -> None:
        assert self._connection
        match step.word:
            case "C:" if step.text == "...":
                self._read_until(b"\r\n.\r\n")
            case "C:":
                line = self._read_until(b"\r\n")
                assert line.lower().startswith(step.text.encode().lower()), f"the client said {line!r}"
            case "nothing":
                assert not self._ahead, f"the client did not wait: {bytes(self._ahead)!r}"
            case "fill":
                while len(self._ahead) < int(step.text):
                    self._receive()
            case "wait":
                self._listen_to_the_end()
                self._connection.close()

    def _send(self, data: bytes) -> None:
        assert self._connection
        # a client that has heard enough is free to go; what it made of it, it says itself
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            self._connection.sendall(data)

    def _accept(self) -> None:
        old = self._connection
        self._connection, _ = self._listener.accept()
        if old:
            old.close()
        self._connection.settimeout(20)
        self._ahead.clear()

    def _read_until(self, end: bytes) -> bytes:
        while (found := self._ahead.find(end)) < 0:
            self._receive()
        data = bytes(self._ahead[: found + len(end)])
        del self._ahead[: found + len(end)]
        return data

    def _receive(self) -> None:
        assert self._connection
        data = self._connection.recv(65536)
        assert data, f"the client closed; unread is {bytes(self._ahead)!r}"
        self._ahead += data
        self.received += data

    def _say_goodbye(self) -> None:
        """Close our side; after the script the client may say QUIT and nothing else."""
        assert self._connection
        if self._connection.fileno() < 0:
            return
        self._connection.shutdown(socket.SHUT_WR)
        start = len(self.received) - len(self._ahead)
        self._listen_to_the_end()
        rest = bytes(self.received[start:])
        assert rest in {b"", b"QUIT\r\n"}, f"the client went on: {rest!r}"

    def _listen_to_the_end(self) -> None:
        assert self._connection
        try:
            while self._connection.fileno() >= 0 and (data := self._connection.recv(65536)):
                self.received += data
        except ConnectionResetError:
            return
