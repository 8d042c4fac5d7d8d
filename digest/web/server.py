"""Running an app: uvicorn without an access log, because paths carry tokens and queries carry addresses."""

import socket
import threading

import uvicorn
from fastapi import FastAPI

from digest.runtime.errors import UsageError
from digest.runtime.settings import LOOPBACK_HOSTS

# What is still being answered when the server is told to stop gets this long.
CLOSING_SECONDS = 5


class Server(uvicorn.Server):
    """A server that tells the app's open streams to end, so that Ctrl-C ends it at once and without an error."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
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


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve `app` until stopped by a signal."""
    Server(app, host, port).run()


def serve_on_loopback(app: FastAPI, host: str, port: int) -> None:
    """Serve the preview, which shows readers' addresses, to this machine only."""
    if host not in LOOPBACK_HOSTS:
        raise UsageError(
            f"The preview shows readers' addresses and has no login; it is not served on {host}",
            hint="Leave --host out; from another machine, use an SSH tunnel: ssh -L 8026:127.0.0.1:8026 HOST.",
        )
    serve(app, host, port)
