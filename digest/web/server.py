"""Running an app: uvicorn without an access log, because paths carry tokens and queries carry addresses."""

import uvicorn
from fastapi import FastAPI

from digest.runtime.errors import UsageError
from digest.runtime.settings import LOOPBACK_HOSTS

# Open event streams never end by themselves; after this long they are cut, so that Ctrl-C ends the preview.
CLOSING_SECONDS = 1


def configure(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """Return the server's configuration: no access log, no server header, no more than a second for open streams."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve `app` until stopped by a signal."""
    uvicorn.Server(configure(app, host, port)).run()


def serve_on_loopback(app: FastAPI, host: str, port: int) -> None:
    """Serve the preview, which shows readers' addresses, to this machine only."""
    if host not in LOOPBACK_HOSTS:
        raise UsageError(
            f"The preview shows readers' addresses and has no login; it is not served on {host}",
            hint="Leave --host out; from another machine, use an SSH tunnel: ssh -L 8026:127.0.0.1:8026 HOST.",
        )
    serve(app, host, port)
