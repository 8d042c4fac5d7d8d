"""What a waiting loop is woken by: other threads and signal handlers ring."""

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Bell:
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


@contextmanager
def stopped_by_signals(bell: Bell) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the waiting; a second one ends the process as usual, at once."""
    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, _frame: FrameType | None) -> None:
        second = bell.stopping
        bell.stop()
        restore()
        if second:  # the worker had put us back in place
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
