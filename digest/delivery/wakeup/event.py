"""Wakeup of a waiting loop by other threads and signal handlers."""

import queue
from contextlib import suppress


class Wakeup:
    """Wakes a waiting loop, from any thread and from signal handlers.

    A SimpleQueue and no Event: its `put` is reentrant, whereas a handler that runs in the waiting thread could find an
    Event's lock taken, by itself.
    """

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.stopping = False

    def ring(self) -> None:
        """Wake the waiting loop, or make its next wait return at once."""
        self._rings.put(None)

    def stop(self) -> None:
        """End all waits, now and in future."""
        self.stopping = True
        self.ring()

    def wait(self, seconds: float) -> bool:
        """Return after `seconds`, or at the first ring: then True. One return answers any number of rings."""
        rang = False
        with suppress(queue.Empty):
            while not self.stopping:
                self._rings.get(timeout=0.0 if rang else seconds)
                rang = True
        return rang
