"""HTTP server: uvicorn without an access log, because paths hold tokens and queries hold addresses."""

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from digest.runtime import logs
from digest.runtime.errors import EnvironmentFailedError, UsageError
from digest.settings.part import LOOPBACK_HOSTS
from digest.web.http.timeouts import http_options

# Time for running requests at shutdown.
CLOSING_SECONDS = 5
MAX_PORT = 65535
BACKLOG = 2048


class AddressTakenError(EnvironmentFailedError):
    """The address at which to serve cannot be had."""

    default_hint = "Another program uses the port, or it needs more rights; choose another with --port."


class WorkersFailedError(EnvironmentFailedError):
    """The web processes could not start."""

    default_hint = "The messages above say why. To check the whole workspace: digest doctor"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limit of connections of a process, and proxies whose forwarding headers it trusts."""

    connections: int = 500
    trusted_proxies: Sequence[str] = ("127.0.0.1", "::1")

    def options(self) -> dict[str, Any]:
        """Return uvicorn's settings."""
        return {
            **http_options(self.connections),
            "forwarded_allow_ips": list(self.trusted_proxies),
            "access_log": False,
            "log_config": None,  # ours holds, for uvicorn too
            "log_level": "warning",
            "server_header": False,
            "timeout_graceful_shutdown": CLOSING_SECONDS,
        }


class Server(uvicorn.Server):
    """A server that ends the app's open streams at shutdown, so that Ctrl-C works at once."""

    def __init__(self, app: FastAPI, host: str, port: int, bounds: Bounds | None = None) -> None:
        super().__init__(uvicorn.Config(app, host=host, port=port, **(bounds or Bounds()).options()))
        self._closing: threading.Event | None = getattr(app.state, "closing", None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then wait for running requests."""
        if self._closing is not None:
            self._closing.set()
        await super().shutdown(sockets)


def serve(
    app: FastAPI, host: str, port: int, *, told: Callable[[str], object] = lambda _: None, bounds: Bounds | None = None
) -> None:
    """Serve `app` until stopped by a signal. `told` is called with the address once it is bound; port 0 is any port."""
    with _listening(host, port, told) as listening, suppress(KeyboardInterrupt):
        Server(app, host, port, bounds).run(sockets=[listening])


def serve_by_many(
    make_app: Callable[[], FastAPI],
    host: str,
    port: int,
    *,
    workers: int,
    told: Callable[[str], object] = lambda _: None,
    bounds: Bounds | None = None,
) -> None:
    """Serve with several processes on one socket until stopped by a signal; each makes its own app.

    A new process must be able to import `make_app`: a function of a module, or a `partial` of one.
    """
    options = (bounds or Bounds()).options()
    with _listening(host, port, told) as listening:
        config = uvicorn.Config(
            partial(_in_a_worker, make_app),
            factory=True,
            workers=workers,
            # On a busy machine a process may have to wait.
            timeout_worker_healthcheck=60,
            **options,
        )
        supervisor = _Supervisor(config, sockets=[listening])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise WorkersFailedError


class _Supervisor(Multiprocess):
    """Starts processes with SIGINT blocked, because Ctrl-C while Python imports would print a traceback."""

    def init_processes(self) -> None:
        with _sigint_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        with _sigint_blocked():
            super().keep_subprocess_alive()

    def restart_all(self) -> None:
        with _sigint_blocked():
            super().restart_all()


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT; processes started meanwhile inherit that until `_in_a_worker`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _in_a_worker(make_app: Callable[[], FastAPI]) -> FastAPI:
    """Make the app in a worker process, after uvicorn has installed its signal handlers."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    logs.set_up(logs.form_of(""))
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    return make_app()


def _end_with_the_parent() -> None:
    """End this process when its parent is killed; it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _listening(host: str, port: int, told: Callable[[str], object]) -> Iterator[socket.socket]:
    if not 0 <= port <= MAX_PORT:
        raise AddressTakenError(
            f"{port} is not a valid port", hint=f"Use a port from 1 to {MAX_PORT}, or 0 for a free one."
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise AddressTakenError(f"Cannot listen on {host}, port {port}: {error.strerror}") from error
    with listening:
        name = f"[{host}]" if ":" in host else host
        told(f"http://{name}:{listening.getsockname()[1]}")
        yield listening


def serve_beside(
    app: FastAPI, port: int | None, neighbour: int, *, told: Callable[[str], object] = lambda _: None
) -> None:
    """Serve `app` on 127.0.0.1 at `port`; without one at `neighbour` + 1, or at any port if that is taken."""
    if port is not None:
        serve(app, "127.0.0.1", port, told=told)
        return
    try:
        serve(app, "127.0.0.1", neighbour + 1, told=told)
    except AddressTakenError:
        serve(app, "127.0.0.1", 0, told=told)


def serve_on_loopback(app: FastAPI, host: str, port: int, *, told: Callable[[str], object] = lambda _: None) -> None:
    """Serve the preview, which shows addresses, on loopback only."""
    if host not in LOOPBACK_HOSTS:
        raise UsageError(
            f"The preview shows readers' addresses and has no login, so it cannot listen on {host}",
            hint="Omit --host. From another machine, use an SSH tunnel: ssh -L 8024:127.0.0.1:8024 HOST.",
        )
    serve(app, host, port, told=told)
