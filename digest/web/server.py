"""Running an app: uvicorn without an access log, because paths carry tokens and queries carry addresses."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from digest.runtime.errors import EnvironmentFailedError, UsageError
from digest.runtime.settings import LOOPBACK_HOSTS

# What is still being answered when the server is told to stop gets this long.
CLOSING_SECONDS = 5
MAX_PORT = 65535


class AddressTakenError(EnvironmentFailedError):
    """The address at which to serve cannot be had."""

    default_hint = "Another program has it, or it needs more rights; choose another with --port."


class Server(uvicorn.Server):
    """A server that tells the app's open streams to end, so that Ctrl-C ends it at once and without an error."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
                log_config=None,  # ours holds, for uvicorn too
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=CLOSING_SECONDS,
            )
        )
        self._closing: threading.Event | None = getattr(app.state, "closing", None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then wait for what is being answered."""
        if self._closing is not None:
            self._closing.set()
        await super().shutdown(sockets)


def serve(app: FastAPI, host: str, port: int, *, told: Callable[[str], object] = lambda _: None) -> None:
    """Serve `app` until stopped by a signal. `told` gets the address as soon as it is ours; port 0 takes a free one."""
    if not 0 <= port <= MAX_PORT:
        raise AddressTakenError(f"{port} is not a port", hint=f"Ports go from 1 to {MAX_PORT}; 0 takes a free one.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressTakenError(f"Nothing can be served on {host}, port {port}: {error.strerror}") from error
    with listening:
        name = f"[{host}]" if ":" in host else host
        told(f"http://{name}:{listening.getsockname()[1]}")
        with suppress(KeyboardInterrupt):  # Ctrl-C is how it is meant to end
            Server(app, host, port).run(sockets=[listening])


def serve_beside(
    app: FastAPI, port: int | None, neighbour: int, *, told: Callable[[str], object] = lambda _: None
) -> None:
    """Serve `app` on 127.0.0.1 at `port`; without one next to the port `neighbour`, or at any if that is taken."""
    if port is not None:
        serve(app, "127.0.0.1", port, told=told)
        return
    try:
        serve(app, "127.0.0.1", neighbour + 1, told=told)
    except AddressTakenError:
        serve(app, "127.0.0.1", 0, told=told)


def serve_on_loopback(app: FastAPI, host: str, port: int, *, told: Callable[[str], object] = lambda _: None) -> None:
    """Serve the preview, which shows readers' addresses, to this machine only."""
    if host not in LOOPBACK_HOSTS:
        raise UsageError(
            f"The preview shows readers' addresses and has no login; it is not served on {host}",
            hint="Leave --host out; from another machine, use an SSH tunnel: ssh -L 8024:127.0.0.1:8024 HOST.",
        )
    serve(app, host, port, told=told)
