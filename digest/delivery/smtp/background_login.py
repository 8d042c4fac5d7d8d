"""Logins at relays in background threads: a relay that hangs there must not stop the others."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from digest.delivery.smtp.login import Connection, log_in
from digest.delivery.smtp.relay import RelayConfig
from digest.runtime.errors import DigestError, RelayUnreachableError

Outcome = Connection | DigestError


class Logins:
    """Login attempts, each in a daemon thread."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._results: list[tuple[Callable[[Outcome], None], Outcome]] = []
        self._is_closed = False
        self.wakeup, self._rope = socket.socketpair()
        """Readable when `deliver` has something to do."""
        self.wakeup.setblocking(False)

    def start(self, config: RelayConfig, then: Callable[[Outcome], None]) -> None:
        """Log in; `deliver` passes `then` the connection, or why there is none."""
        threading.Thread(target=self._log_in, args=(config, then), name=f"login at {config.name}", daemon=True).start()

    def deliver(self) -> None:
        """Pass finished logins on, in the caller's thread."""
        with contextlib.suppress(BlockingIOError):
            self.wakeup.recv(4096)
        with self._lock:
            results, self._results = self._results, []
        for then, outcome in results:
            then(outcome)

    def close(self) -> None:
        """Abandon all attempts; a connection that still comes is closed at once."""
        with self._lock:
            self._is_closed = True
            results, self._results = self._results, []
            self.wakeup.close()
            self._rope.close()
        for _, outcome in results:
            if isinstance(outcome, Connection):
                outcome.sock.close()

    def _log_in(self, config: RelayConfig, then: Callable[[Outcome], None]) -> None:
        outcome: Outcome
        try:
            outcome = log_in(config, self._context)
        except DigestError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - a lost login would be waited for without end
            outcome = RelayUnreachableError(f"The login at {config.name} failed: {type(error).__name__}.")
        with self._lock:
            if not self._is_closed:
                self._results.append((then, outcome))
                self._rope.send(b"!")
                return
        if isinstance(outcome, Connection):
            outcome.sock.close()
