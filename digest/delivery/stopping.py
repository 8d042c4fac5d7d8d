"""Signals stop a worker cleanly."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from digest.delivery.worker import Worker


@contextmanager
def stopping_on_signals(worker: Worker) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the worker cleanly; a second one ends the process as usual."""
    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        worker.stop()
        restore()
        outer = before[number]
        # Whoever runs the worker wants to know, too; Python's own handler would only raise KeyboardInterrupt.
        if callable(outer) and outer is not signal.default_int_handler:
            outer(number, frame)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
