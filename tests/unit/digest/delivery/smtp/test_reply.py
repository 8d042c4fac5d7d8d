"""Replies out of bytes, however they come."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.smtp.reply import MAX_REPLY_BYTES, GarbledReplyError, ReplyReader, SmtpReply


def replies(*chunks: bytes) -> list[SmtpReply]:
    reader, found = ReplyReader(), []
    for chunk in chunks:
        reader.feed(chunk)
        while answer := reader.next():
            found.append(answer)
    return found


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"2500 ok",
        b"25",
        b"150 what",
        b"650 what",
        "２５０ ok".encode(),
        b"HTTP/1.1 200 OK",
        b"250_ok",
        b"\x00\xff",
    ],
)
def test_what_is_no_reply_is_an_error(line: bytes) -> None:
    with pytest.raises(GarbledReplyError):
        replies(line + b"\r\n")


@pytest.mark.parametrize("size", [MAX_REPLY_BYTES - 100, MAX_REPLY_BYTES + 100])
@pytest.mark.parametrize("line", [b"x" * 40, b"x"], ids=["long lines", "short lines"])
def test_a_reply_may_have_64_kilobytes(line: bytes, size: int) -> None:
    each = b"250-" + line + b"\r\n"
    text = each * (size // (len(each) - 2)) + b"250 end\r\n"
    if size < MAX_REPLY_BYTES:
        assert replies(text)[0].code == 250
    else:
        with pytest.raises(GarbledReplyError):
            replies(text)


def test_a_line_without_end_is_given_up_early() -> None:
    reader = ReplyReader()
    reader.feed(b"2" * (MAX_REPLY_BYTES + 1))
    with pytest.raises(GarbledReplyError, match="without an end"):
        reader.next()


def test_several_codes_contradict_each_other() -> None:
    with pytest.raises(GarbledReplyError, match="250 550"):
        replies(b"250-ok\r\n550 no\r\n")


def test_a_reply_keeps_its_lines_and_leaves_the_next_one() -> None:
    reader = ReplyReader()
    assert reader.is_read_up
    reader.feed(b"550-5.1.1 <reader@example.org>\r\n550 5.1.1 \xff unknown\r\n250 next\r\n")
    answer = reader.next()
    assert answer is not None
    assert (answer.code, answer.enhanced, answer.text) == (550, "5.1.1", "5.1.1 <address> 5.1.1 � unknown")
    assert not reader.is_read_up
    assert reader.next() == SmtpReply(250, (b"next",))
    assert reader.is_read_up
    reader.feed(b"250-half\r\n")
    assert reader.next() is None
    assert not reader.is_read_up


REPLIES = st.lists(
    st.tuples(
        st.integers(200, 599),
        st.lists(
            st.binary(max_size=20).map(lambda text: text.replace(b"\n", b"").replace(b"\r", b"")),
            min_size=1,
            max_size=4,
        ),
        st.sampled_from([b"\n", b"\r\n"]),
    ),
    max_size=6,
)


@given(REPLIES, st.data())
def test_replies_are_the_same_however_they_are_cut(
    written: list[tuple[int, list[bytes], bytes]], data: st.DataObject
) -> None:
    text = b"".join(
        b"%d%s%s%s" % (code, b" " if n == len(lines) - 1 else b"-", line, end)
        for code, lines, end in written
        for n, line in enumerate(lines)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert replies(*chunks) == [SmtpReply(code, tuple(lines)) for code, lines, _ in written]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_give_replies_or_an_error(chunks: list[bytes]) -> None:
    with contextlib.suppress(GarbledReplyError):
        assert all(200 <= answer.code < 600 and len(answer.text) <= 500 for answer in replies(*chunks))
