"""The first signal is a wish, the second an end; blocks in each other all hear of the wish."""

import signal

import pytest

from digest.runtime.signals import stopping_on_signals


def twice(heard: list[str], *, second_inside: bool) -> None:
    with stopping_on_signals(lambda: heard.append("outer")):
        with stopping_on_signals(lambda: heard.append("inner")):
            signal.raise_signal(signal.SIGINT)
            heard.append("goes on")
            if second_inside:
                signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the inner block has put the outer's handler back
    heard.append("too far")


@pytest.mark.parametrize("second_inside", [True, False])
def test_the_first_signal_stops_all_the_second_ends_the_process(*, second_inside: bool) -> None:
    heard: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        twice(heard, second_inside=second_inside)
    assert heard[:3] == ["inner", "outer", "goes on"]
    assert "too far" not in heard
    assert signal.getsignal(signal.SIGINT) is before
