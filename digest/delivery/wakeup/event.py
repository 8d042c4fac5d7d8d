"""What a waiting loop is woken by: other threads and signal handlers ring."""

import queue
from contextlib import suppress


class Wakeup:
    """Rings may come from any thread and from signal handlers.

    A SimpleQueue and no Event: its `put` is reentrant, whereas a handler that runs in the very thread that waits could
    find an Event's lock taken, by itself.
    """

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    def ring(self) -> None:
        """Wake who waits; if nobody does, the next wait returns at once."""
        self._rings.put(None)

    def stop(self) -> None:
        """Tell who waits, now and in future, that there is nothing more to wait for."""
        self._stopping = True
        self.ring()

    def wait(self, seconds: float) -> bool:
        """Return after `seconds`, or at the first ring: then True. Any number of rings are answered by one return."""
        rang = False
        with suppress(queue.Empty):
            while not self._stopping:
                self._rings.get(timeout=0.0 if rang else seconds)
                rang = True
        return rang
