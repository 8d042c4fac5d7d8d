"""Our own local mail world: an SMTP server that keeps what it gets as a Maildir, with recipients that make it fail.

| local part of the recipient | what happens |
|---|---|
| `550`, or any other code from 400 to 599 | RCPT is answered with that code |
| `tempfail` | RCPT is answered with 451 4.3.0 |
| `drop-before-dot` | the connection is closed at DATA, so the message never leaves the client |
| `drop-after-dot` | the message is kept, and the connection closed without an answer |
| `slow` | the answer to the final dot takes its time |
"""

import asyncio
import itertools
import os
import re
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from digest.delivery.relay import RelayConfig
from digest.runtime.errors import EnvironmentFailedError, UsageError

DEFAULT_SIZE_LIMIT = 32 * 1024 * 1024
_CODE = re.compile(r"[45][0-9][0-9]", re.ASCII)
_STATUSES = {"450": "4.2.1", "452": "4.2.2", "550": "5.1.1", "552": "5.2.2", "554": "5.7.1"}


class Sink:
    """The server, in a thread of its own while it runs; also a context manager."""

    def __init__(
        self,
        maildir: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        size_limit: int = DEFAULT_SIZE_LIMIT,
        slow_seconds: float = 5,
    ) -> None:
        """Prepare a sink that keeps messages under `maildir`, which is made if needed.

        Port 0 takes a free one; `size_limit` is in bytes. Raises UsageError unless `host` is on loopback: anyone
        who reaches a sink can fill the disk.
        """
        if not RelayConfig(host).is_loopback:
            raise UsageError(f"The sink listens on loopback only, not on {host}.", hint="Use --host 127.0.0.1.")
        self.host = host
        self.port = port
        self._size_limit = size_limit
        self._handler = _Handler(_Keeper(maildir), slow_seconds)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)

    def start(self) -> None:
        """Listen; `port` then tells where. A sink starts once. Raises EnvironmentFailedError if the port is taken."""
        self._thread.start()
        self._started.wait()
        if self._failure:
            self._thread.join()
            raise EnvironmentFailedError(
                f"The sink cannot listen on {self.host}:{self.port}: {self._failure.strerror or self._failure}.",
                hint="Choose another --port, or stop what listens there.",
            )

    def stop(self) -> None:
        """Close every connection and end the thread."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def serve_forever(self) -> None:
        """Listen until interrupted."""
        with self:
            self._thread.join()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        connections: set[_Server] = set()
        try:
            server = await loop.create_server(
                lambda: _Server(self._handler, connections, self._size_limit, loop), self.host, self.port
            )
        except OSError as error:
            self._failure = error
            return
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        # from Python 3.12 on, wait_closed waits for them
        for connection in list(connections):
            connection.hang_up()
        await server.wait_closed()


class _Server(SMTP):
    """One connection."""

    def __init__(
        self, handler: "_Handler", connections: set["_Server"], size_limit: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(handler, hostname="localhost", data_size_limit=size_limit, enable_SMTPUTF8=True, loop=loop)
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 aiosmtpd finds commands by name
        if self.envelope is not None and any(_local_part(r) == "drop-before-dot" for r in self.envelope.rcpt_tos):
            self.hang_up()
            return
        await super().smtp_DATA(arg)

    def hang_up(self) -> None:
        """Close the connection without a word."""
        if self.transport is not None:
            self.transport.close()


class _Handler:
    """What aiosmtpd asks: may this recipient be, and what becomes of this message."""

    def __init__(self, keeper: "_Keeper", slow_seconds: float) -> None:
        self._keeper = keeper
        self._slow_seconds = slow_seconds

    # aiosmtpd calls by name and position
    async def handle_RCPT(  # noqa: N802
        self,
        server: _Server,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if refusal := refusal_for(address):
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient accepted by the sink"

    async def handle_DATA(  # noqa: N802
        self,
        server: _Server,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        names = {_local_part(recipient) for recipient in envelope.rcpt_tos}
        self._keeper.keep(envelope)
        if "drop-after-dot" in names:
            server.hang_up()
            # closing cancels this coroutine; until then nothing may be answered
            await asyncio.Event().wait()
        if "slow" in names:
            await asyncio.sleep(self._slow_seconds)
        return "250 2.0.0 Kept by the sink"


class _Keeper:
    """A Maildir that is written to; each message is whole before it appears in `new`."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = maildir
        self._numbers = itertools.count(1)
        for folder in ("tmp", "new", "cur"):
            (maildir / folder).mkdir(parents=True, exist_ok=True)

    def keep(self, envelope: Envelope) -> None:
        """Write one message, with its envelope in front as Return-Path and Delivered-To."""
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(self._numbers)}.sink"
        head = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {r}" for r in envelope.rcpt_tos)]
        content: Any = envelope.original_content
        unfinished = self._maildir / "tmp" / name
        # A Maildir has the system's line ends; who checks a signature brings the CRLF back.
        unfinished.write_bytes("\n".join([*head, ""]).encode() + content.replace(b"\r\n", b"\n"))
        unfinished.rename(self._maildir / "new" / name)


def refusal_for(address: str) -> str | None:
    """Return what the sink answers to RCPT for a magic recipient that it refuses, or None for any other."""
    name = _local_part(address)
    if name == "tempfail":
        return "451 4.3.0 The sink was asked to fail for now"
    if _CODE.fullmatch(name):
        return f"{name} {_STATUSES.get(name, f'{name[0]}.0.0')} The sink was asked for this answer"
    return None


def _local_part(address: str) -> str:
    return address.rpartition("@")[0].casefold()
