"""Cooperative shutdown on SIGTERM and SIGINT: the first one stops cleanly, the second one ends the process as usual."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGTERM or SIGINT while the block lasts.

    Blocks may be nested: outer ones are called too. A second signal ends the process, also if it comes when an inner
    block has already restored our handler.
    """
    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    heard = False

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        second, heard = heard, True
        stop()
        restore()
        outer = before[number]
        # Python's own handler would only raise KeyboardInterrupt
        if callable(outer) and outer is not signal.default_int_handler:
            outer(number, frame)
        elif second:
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
