"""Local SMTP server that stores mail in a Maildir, with magic recipients that make it fail.

`digest.sink.faults` has the table of magic recipients, `digest.sink.rules` what holds for all of them.
"""

import asyncio
import hmac
import logging
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

from digest.delivery.smtp.relay import RelayConfig
from digest.runtime.errors import EnvironmentFailedError, UsageError
from digest.sink.certificate import server_context
from digest.sink.faults import Fault, Manner, SmtpStage, Then, fault_at, fault_for, is_rejected
from digest.sink.maildir import Keeper, Thrower
from digest.sink.rules import MessageQuota, SinkRules, Tries

# Longer than any client waits (RFC 5321 section 4.5.3.2): it is the client that gives up.
_IDLE_SECONDS = 3600
logger = logging.getLogger(__name__)
# aiosmtpd warns of its own deprecated attributes at each login.
logging.getLogger("mail.log").setLevel(logging.ERROR)
_NO_LINGERING = struct.pack("ii", 1, 0)


class Sink:
    """The server, in a thread of its own; also a context manager."""

    def __init__(
        self,
        maildir: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rules: SinkRules | None = None,
        starttls: bool = False,
        keeps: bool = True,
    ) -> None:
        """Prepare a sink that stores messages under `maildir`, which is made if needed; or discards them.

        Port 0 takes a free one. With `starttls` a certificate is kept in the Maildir's folder, see `certificate`.
        Raises UsageError unless `host` is on loopback: anyone who reaches a sink can fill the disk.
        """
        if not RelayConfig(host).is_loopback:
            raise UsageError(f"The sink can listen on loopback only, not on {host}.", hint="Use --host 127.0.0.1.")
        self.maildir = maildir
        self.host = host
        self.port = port
        self.certificate: Path | None = None
        tls = None
        if starttls:
            tls, self.certificate = server_context(maildir)
        self._world = _World(Keeper(maildir) if keeps else Thrower(), rules or SinkRules(), tls)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._failure: OSError | OverflowError | None = None
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)

    @property
    def url(self) -> str:
        """The URL for `digest send --relay`; right once it listens."""
        return f"smtp://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def start(self) -> None:
        """Listen; `port` is set then. Starts once only. Raises EnvironmentFailedError if the port is taken."""
        self._thread.start()
        self._started.wait()
        if self._failure:
            self._thread.join()
            reason = getattr(self._failure, "strerror", None) or self._failure
            raise EnvironmentFailedError(
                f"The sink cannot listen on {self.host}:{self.port}: {reason}.",
                hint="Choose another --port, or stop the program that uses it.",
            )

    def stop(self) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: _Server(self._world, loop), self.host, self.port)
        except (OSError, OverflowError) as error:
            self._failure = error
            return
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        # from Python 3.12 on, wait_closed waits for them
        if self._world.connections:
            self._world.idle.clear()
            for connection in list(self._world.connections):
                connection.abort()
            await self._world.idle.wait()
        await server.wait_closed()


class _World:
    """State of all connections, in one thread; aiosmtpd calls the `handle_` methods by name and position."""

    def __init__(self, keeper: Keeper | Thrower, rules: SinkRules, tls: ssl.SSLContext | None) -> None:
        self.rules = rules
        self.tls = tls
        self.connections: set[_Server] = set()
        self.idle = asyncio.Event()
        self._keeper = keeper
        self._meter = MessageQuota(rules.quota, time.monotonic)
        self._tries = Tries(time.monotonic)

    def allows(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
        login = self.rules.login
        expected = f"{login.user}\0{login.password}".encode() if login else b""
        is_right = bool(login) and hmac.compare_digest(expected, given.login + b"\0" + given.password)
        return AuthResult(success=is_right, handled=False)

    async def handle_exception(self, error: Exception) -> str:
        # A client that ends the handshake is an everyday thing, not a traceback.
        logger.debug("a connection to the sink failed", exc_info=error)
        return "451 4.3.0 The sink could not do that"

    async def handle_EHLO(  # noqa: N802
        self, _server: Any, session: Session, _envelope: Envelope, name: str, offers: list[str]
    ) -> list[str]:
        session.host_name = name
        if self.rules.login is None:
            offers = [offer for offer in offers if not offer.startswith("250-AUTH")]
        return [*offers[:-1], "250-PIPELINING", offers[-1]] if self.rules.pipelining else offers

    async def handle_MAIL(self, *_: Any) -> Any:  # noqa: N802
        if self._meter.admits():
            return MISSING  # aiosmtpd goes on as usual
        return "450 4.7.28 The sink was asked for a rate limit, and this is beyond it"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str | Fault:
        fault = fault_for(address)
        if fault and fault.stage is SmtpStage.RCPT and self._tries.is_due(fault, address):
            return fault
        if fault is None and is_rejected(address, self.rules.rejects):
            return "550 5.1.1 The sink was asked to refuse some, and this is one"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient accepted by the sink"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str | Fault:  # noqa: N802
        fault = fault_at(SmtpStage.DOT, envelope.rcpt_tos)
        if fault is None or fault.keeps:
            self._keeper.keep(envelope)
        return fault or "250 2.0.0 Kept by the sink"


class _Server(SMTP):
    """One connection."""

    def __init__(self, world: _World, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            world,
            hostname="localhost",
            data_size_limit=world.rules.size_limit,
            enable_SMTPUTF8=True,
            tls_context=world.tls,
            timeout=_IDLE_SECONDS,
            auth_require_tls=world.tls is not None,
            authenticator=world.allows,
            loop=loop,
        )
        # Not as an argument: that warns of passwords in clear, which never leave this machine.
        self._auth_required = world.rules.login is not None
        self._world = world
        self._messages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._world.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._world.connections.discard(self)
        if not self._world.connections:
            self._world.idle.set()
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 aiosmtpd finds commands by name
        recipients = self.envelope.rcpt_tos if self.envelope else []
        if fault := fault_at(SmtpStage.DATA, recipients):
            await self.push(fault)
        elif fault := fault_at(SmtpStage.BODY, recipients):
            await self.push("354 Go on, as far as you come")
            await self._reader.read(1)
            await self.push(fault)
        else:
            await super().smtp_DATA(arg)
            self._messages += 1
            if self._messages == self._world.rules.close_after:
                await self._end(Then.CLOSE)

    async def push(self, status: Any) -> None:
        """Answer; a fault determines how, and what follows."""
        if not isinstance(status, Fault):
            await self._say(status)
            return
        if status.manner is Manner.LATE:
            await asyncio.sleep(self._world.rules.slow_seconds)
        if status.manner is Manner.DRIPPING:
            await self._drip(status.answer)
        elif status.answer:
            await self._say(status.answer)
        if status.then is not Then.GO_ON:
            await self._end(status.then)

    async def _say(self, answer: str | bytes) -> None:
        text = answer if isinstance(answer, str) else answer.decode("utf-8", "surrogateescape")
        if self._world.rules.delay and text[3:4] != "-":
            await asyncio.sleep(self._world.rules.delay)
        await super().push(text.encode("utf-8", "surrogateescape"))
        if text.startswith("421"):
            await self._end(Then.CLOSE)  # RFC 5321 section 3.8

    async def _drip(self, answer: str) -> None:
        line = f"{answer}\r\n".encode()
        for byte in line:
            self._writer.write(bytes([byte]))
            await self._writer.drain()
            await asyncio.sleep(self._world.rules.slow_seconds / len(line))

    async def _end(self, then: Then) -> None:
        if then is Then.RESET and self.transport is not None:
            # A socket that must not linger is ended by a reset instead of the usual goodbye.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        if then is not Then.HANG and self.transport is not None:
            self.transport.close()
        # Closing cancels this coroutine; until then nothing may be answered.
        await asyncio.Event().wait()

    def abort(self) -> None:
        """End at once: closing under TLS would wait for the client, and the sink is shutting down."""
        for transport in (self.transport, self._original_transport):
            if isinstance(transport, asyncio.WriteTransport):
                with suppress(AttributeError):  # of a transport under TLS that has lost its connection
                    transport.abort()
