"""Dot-stuffing in pieces: the same bytes as stuffing the whole, and large pieces are looked at once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.smtp.content import Stuffing


def stuffed(message: list[bytes], stuffing: Stuffing | None = None) -> bytes:
    content = (stuffing or Stuffing()).content(message)
    whole = b"".join(content.pieces)
    assert len(whole) == content.size
    assert content.is_ascii is b"".join(message).isascii()
    return whole


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ([b"a\r\n"], b"a\r\n.\r\n"),
        ([b"a"], b"a\r\n.\r\n"),
        ([], b"\r\n.\r\n"),
        ([b".a\r\n..b\r\n.\r\n"], b"..a\r\n...b\r\n..\r\n.\r\n"),
        ([b"a\r\n", b".b"], b"a\r\n..b\r\n.\r\n"),
        ([b"a\r\n", b"", b".b"], b"a\r\n..b\r\n.\r\n"),
        ([b"a\r", b"\n", b".", b"b\r\n"], b"a\r\n..b\r\n.\r\n"),
        ([b"a\r", b"\n.b\r", b"\n"], b"a\r\n..b\r\n.\r\n"),
        ([b"a.\r\nb.c"], b"a.\r\nb.c\r\n.\r\n"),
    ],
)
def test_dots_at_line_starts_are_doubled_also_across_pieces(message: list[bytes], sent: bytes) -> None:
    assert stuffed(message) == sent


PIECE = st.one_of(
    st.text("\r\n.ab", max_size=4).map(str.encode),
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b".", b"\r\n.", b"", b"x" * 2000 + b"\r\n", b"." * 2000, b"\r\n." * 700, b"\xff"]
    ),
)


@given(st.lists(PIECE, max_size=10))
def test_pieces_are_stuffed_as_the_whole_would_be(message: list[bytes]) -> None:
    whole = b"".join(message)
    expected = re.sub(rb"(\A|\r\n)\.", rb"\1..", whole)
    expected += b".\r\n" if whole.endswith(b"\r\n") else b"\r\n.\r\n"
    stuffing = Stuffing()
    assert stuffed(message, stuffing) == expected
    assert stuffed(message, stuffing) == expected


def test_a_large_piece_is_looked_at_once_and_no_stranger_taken() -> None:
    stuffing = Stuffing()
    shared = b"line\r\n" * 1000
    first, second = stuffing.content([b"a\r\n", shared]), stuffing.content([b"b\r\n", shared])
    assert first.pieces[1] is second.pieces[1]
    for n in range(3000):  # more than is remembered, and each may get the id of one that is gone
        piece = b"\r\n.%d" % n * 1500
        assert stuffed([piece], stuffing) == piece.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n"
