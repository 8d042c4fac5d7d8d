"""An SMTP server that writes down whom each mail is for, before it says that it has it; it keeps no mail.

A program of its own, so that it can be killed as a relay can: what it has taken is in the file by then, as in a queue.
"""

import argparse
import asyncio
import os
import re
from pathlib import Path

END = b"\r\n.\r\n"
MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
RECIPIENT = re.compile(rb"rcpt to:<([^>]*)>", re.IGNORECASE)
GREETING = b"250-counting.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n250 ENHANCEDSTATUSCODES\r\n"
ANSWER = b"250 2.0.0 Counted\r\n"


class Connection(asyncio.Protocol):
    """One client. Commands may come in groups; while an answer is delayed, nothing further is looked at."""

    def __init__(self, file: int, delay: float) -> None:
        self._file = file
        self._delay = delay
        self._ahead = bytearray()
        self._searched = 0
        self._is_content = False
        self._is_waiting = False
        self._recipient = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 counting.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._ahead += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._is_waiting and (self._content() if self._is_content else self._command()):
            pass

    def _command(self) -> bool:
        end = self._ahead.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 2]
        self._say(self._answer(line))
        return True

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return GREETING
        if match := RECIPIENT.match(line):
            self._recipient = match[1]
        if verb == b"DATA":
            # the line end before the content belongs to the end that is looked for
            self._is_content, self._searched = True, 0
            self._ahead[:0] = b"\r\n"
            return b"354 Go on\r\n"
        return b"221 Bye\r\n" if verb == b"QUIT" else b"250 2.1.0 Ok\r\n"

    def _content(self) -> bool:
        end = self._ahead.find(END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._ahead) - len(END) + 1)
            return False
        found = MESSAGE_ID.search(bytes(self._ahead[:end]))
        del self._ahead[: end + len(END)]
        self._is_content = False
        os.write(self._file, self._recipient + b" " + (found[1] if found else b"-") + b"\n")
        if self._delay:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(self._delay, self._answer_at_last)
        else:
            self._say(ANSWER)
        return True

    def _answer_at_last(self) -> None:
        self._is_waiting = False
        self._say(ANSWER)
        self._go_on()

    def _say(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)
            if answer.startswith(b"221"):
                self._transport.close()


async def serve(port: int, file: Path, delay: float) -> None:
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(opened, delay), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer to a final dot")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.file, given.delay))
