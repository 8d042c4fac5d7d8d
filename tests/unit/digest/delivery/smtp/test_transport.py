"""What has left when a connection ends: on a pair of sockets, where buffers can be made small and servers deaf."""

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from digest.delivery.outcome import Outcome, Phase
from digest.delivery.smtp.connection import Link
from digest.delivery.smtp.content import Stuffing
from digest.delivery.smtp.conversation import Conversation
from digest.delivery.smtp.relay import Timeouts
from digest.delivery.transport import Envelope, Parcel, Reply
from tests.support.mailbag import ListBag
from tests.support.smtp_transports import MakeTransport

YES = b"250 ok\r\n250 ok\r\n354 go\r\n"


def parcel(key: str, size: int = 10) -> Parcel:
    return Parcel(key, "relay", Envelope(key, "a@example.org", "b@example.org"), [b"x" * size])


def conversation(bag: ListBag, most: int = 100) -> Conversation:
    return Conversation("relay", {"pipelining": ""}, Timeouts(), most, bag, Stuffing())


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def after_silence(bag: ListBag, ours: socket.socket, theirs: socket.socket) -> Reply:
    link = Link(ours, conversation(bag), goodbye=1)
    link.begin()
    theirs.sendall(YES)
    link.handle()
    assert not bag.ended
    link.expire()
    assert link.is_over
    return bag.ended[0][1]


def test_what_the_system_did_not_take_has_not_left(pair: tuple[socket.socket, socket.socket]) -> None:
    bag = ListBag([parcel("1", 3_000_000), parcel("2")])
    reply = after_silence(bag, *pair)
    assert (reply.outcome, reply.phase) == (Outcome.DEFERRED, Phase.BODY)
    assert [p.key for p, _ in bag.returned] == ["2"]


def test_what_the_system_took_may_have_arrived(pair: tuple[socket.socket, socket.socket]) -> None:
    bag = ListBag([parcel("1", 60_000), parcel("2")])
    reply = after_silence(bag, *pair)
    assert (reply.outcome, reply.phase) == (Outcome.UNCERTAIN, Phase.DOT)
    assert [p.key for p, _ in bag.returned] == ["2"]


@pytest.mark.parametrize("chained", [False, True])
def test_the_first_byte_of_the_end_makes_a_message_uncertain(chained: bool) -> None:
    size = 40 + len(b"\r\n.\r\n")
    for sent in range(size + 1):
        bag = ListBag([parcel("1", 40), *[parcel("2")] * chained])
        talk = conversation(bag)
        talk.begin()
        talk.sent(len(talk.unsent))
        talk.receive(YES)
        talk.sent(sent)
        talk.lost("it broke", closed=True)
        has_left = sent > 40
        expected = (Outcome.UNCERTAIN, Phase.DOT) if has_left else (Outcome.DEFERRED, Phase.BODY)
        assert [(r.outcome, r.phase) for _, r in bag.ended] == [expected]
        assert [p.key for p, _ in bag.returned] == ["2"] * chained


def test_under_tls_a_block_that_failed_counts_as_sent(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ours, theirs = socket.socketpair()
    protected: list[ssl.SSLSocket] = []
    server = threading.Thread(target=lambda: protected.append(context.wrap_socket(theirs, server_side=True)))
    server.start()
    with trusting.wrap_socket(ours, server_hostname="127.0.0.1") as wire:
        server.join()
        bag = ListBag([parcel("1", 1000)])
        link = Link(wire, conversation(bag), goodbye=1)
        link.begin()
        protected[0].sendall(YES)
        protected[0].close()
        link.handle()
        link.handle()
    assert [(r.outcome, r.phase) for _, r in bag.ended] == [(Outcome.UNCERTAIN, Phase.DOT)]


def test_a_message_through_a_narrow_pipe_arrives_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    bag = ListBag([parcel("1", 3_000_000), parcel("2")])
    link = Link(ours, conversation(bag), goodbye=1)
    link.begin()
    envelope = theirs.recv(1000)
    theirs.sendall(YES)
    link.handle()
    got = bytearray()
    while not got.endswith(b"DATA\r\n"):
        got += theirs.recv(10_000)
        link.handle()
    assert bytes(got) == b"x" * 3_000_000 + b"\r\n.\r\n" + envelope
    theirs.sendall(b"250 ok\r\n")
    link.handle()
    assert bag.outcomes() == {"1": Outcome.ACCEPTED}


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
    assert (reply.outcome, reply.phase, reply.enhanced) == (Outcome.DEFERRED, Phase.BEFORE, "5.6.3")
    assert bytes(said).endswith(b"QUIT\r\n")
