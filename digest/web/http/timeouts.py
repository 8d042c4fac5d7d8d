"""Timeout for the head of a request, against slow clients (Slowloris); uvicorn has none."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20
"""From the connection, or the last response, until a request's head is complete."""


class PatientProtocol(H11Protocol):
    """h11, which limits the size of a head, with a timeout for it."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Process received data; a complete head ends the timeout."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        answered = self.cycle
        super().on_response_complete()
        if self.cycle is answered:  # else the next one was there already
            self._wait()

    def _wait(self) -> None:
        self._wait_no_more()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        # An abort, because a slow client could keep a closing connection open.
        self.transport.abort()


def http_options(connections: int) -> dict[str, Any]:
    """Return uvicorn's settings for limits of requests and connections."""
    return {
        "http": PatientProtocol,
        "ws": "none",
        "h11_max_incomplete_event_size": 16 * 1024,  # the whole head: names, values, address
        "timeout_keep_alive": 15,
        "limit_concurrency": connections,
    }
