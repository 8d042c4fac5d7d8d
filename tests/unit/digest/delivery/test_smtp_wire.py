"""The wire and the transaction on a pair of sockets, where buffers can be made small and servers endless."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from digest.delivery.outcome import Outcome
from digest.delivery.relay import Timeouts
from digest.delivery.smtp import stuffed
from digest.delivery.smtp_dialogue import ConnectionLostError, GarbledReplyError, NoAnswerError, Wire
from digest.delivery.smtp_login import Connection
from digest.delivery.smtp_transaction import Transaction
from digest.delivery.transport import Envelope, Phase
from tests.unit.digest.delivery.conftest import MakeTransport

IMPATIENT = Timeouts(0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, goodbye=0.05)
YES = b"250 ok\r\n250 ok\r\n354 go\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        yield ours, theirs


@pytest.mark.parametrize(
    ("size", "outcome", "phase"),
    [(60_000, Outcome.UNCERTAIN, Phase.DOT), (200_000, Outcome.DEFERRED, Phase.BODY)],
    ids=["in the block with the dot", "before it"],
)
def test_a_write_that_fails_counts_as_sent_where_the_final_dot_may_have_left(
    pair: tuple[socket.socket, socket.socket], size: int, outcome: Outcome, phase: Phase
) -> None:
    ours, theirs = pair
    theirs.sendall(YES)  # and never reads
    transaction = Transaction(Connection(Wire(ours), {"pipelining": ""}), IMPATIENT)
    ending = transaction.run(Envelope("7", "a@example.org", "b@example.org"), stuffed([b"x" * size]))
    assert (ending.outcome, ending.phase, ending.in_step) == (outcome, phase, False)


def test_a_line_without_end_is_given_up_early(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair

    def pour() -> None:
        with contextlib.suppress(OSError), theirs:
            theirs.sendall(b"2" * 20_000_000)

    server = threading.Thread(target=pour)
    server.start()
    with pytest.raises(GarbledReplyError, match="without an end"):
        Wire(ours).read(60)
    ours.close()
    server.join()


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", ConnectionLostError),
        (b"250-more\r\n", ConnectionLostError),
        (b"\r\n", GarbledReplyError),
        (b"2500 ok\r\n", GarbledReplyError),
        (b"25\r\n", GarbledReplyError),
        (b"150 what\r\n", GarbledReplyError),
        (b"650 what\r\n", GarbledReplyError),
        ("２５０ ok\r\n".encode(), GarbledReplyError),
        (b"HTTP/1.1 200 OK\r\n", GarbledReplyError),
    ],
)
def test_what_is_no_reply_is_an_error(
    pair: tuple[socket.socket, socket.socket], sent: bytes, error: type[ConnectionLostError]
) -> None:
    ours, theirs = pair
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(ConnectionLostError) as caught:
        Wire(ours).read(5)
    assert type(caught.value) is error


def test_silence_is_an_error_of_its_own(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(NoAnswerError):
        Wire(pair[0]).read(0.01)


def test_a_reply_keeps_its_lines_and_leaves_the_next_one(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(b"550-5.1.1 <reader@example.org>\r\n550 5.1.1 \xff unknown\r\n250 next\r\n")
    wire = Wire(ours)
    answer = wire.read(5)
    assert (answer.code, answer.enhanced, answer.text) == (550, "5.1.1", "5.1.1 <address> 5.1.1 � unknown")
    assert wire.has_input()
    assert wire.read(5).lines == (b"next",)
    assert not wire.has_input()
    theirs.close()
    assert wire.has_input()


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ([b"a\r\n"], b"a\r\n.\r\n"),
        ([b"a"], b"a\r\n.\r\n"),
        ([], b"\r\n.\r\n"),
        ([b".a\r\n..b\r\n.\r\n"], b"..a\r\n...b\r\n..\r\n.\r\n"),
        ([b"a\r\n", b".b"], b"a\r\n..b\r\n.\r\n"),
        ([b"a\r", b"\n", b".", b"b\r\n"], b"a\r\n..b\r\n.\r\n"),
        ([b"a.\r\nb.c"], b"a.\r\nb.c\r\n.\r\n"),
    ],
)
def test_dots_at_line_starts_are_doubled_also_across_chunks(message: list[bytes], sent: bytes) -> None:
    assert stuffed(message) == sent


def test_8_bit_content_is_refused_before_it_leaves(make_transport: MakeTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = bytearray()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 x\r\n")
                said.extend(connection.recv(1000))
                connection.sendall(b"250-x\r\n250 8BITMIME\r\n")
                said.extend(connection.recv(1000))

        server = threading.Thread(target=serve)
        server.start()
        transport = make_transport(listener.getsockname()[1])
        reply = transport.send(Envelope("7", "a@example.org", "b@example.org"), ["뉴스\r\n".encode()])
        transport.close()
        server.join()
    assert (reply.outcome, reply.phase, reply.enhanced) == (Outcome.REJECTED, Phase.BEFORE, "5.6.3")
    assert bytes(said).endswith(b"QUIT\r\n")
