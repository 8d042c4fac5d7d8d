"""What has left when a connection ends: on a pair of sockets, where buffers can be made small and servers deaf."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping

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


def conversation(bag: ListBag, offers: Mapping[str, str] = {"pipelining": ""}) -> Conversation:
    return Conversation("relay", offers, Timeouts(), 100, bag, Stuffing())


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
        protected[0].close()
        link.conversation.receive(YES)  # heard, and the server gone before we write
        link._write()
    assert [(r.outcome, r.phase) for _, r in bag.ended] == [(Outcome.UNCERTAIN, Phase.DOT)]


# A server that answers before it has read


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection; the second takes little that it has not read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.create_connection(listener.getsockname()) as ours, listener.accept()[0] as theirs:
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield ours, theirs


def read_all(theirs: socket.socket, link: Link) -> None:
    theirs.settimeout(1)
    while not theirs.recv(100_000).endswith(b"\r\n.\r\n"):
        link.handle()


@pytest.mark.parametrize("size", [100, 100_000, 3_000_000])
def test_an_answer_after_the_whole_message_is_believed(tcp: tuple[socket.socket, socket.socket], size: int) -> None:
    ours, theirs = tcp
    bag = ListBag([parcel("1", size)])
    link = Link(ours, conversation(bag), goodbye=1)
    link.begin()
    theirs.sendall(YES)
    wait_for(ours)
    link.handle()
    read_all(theirs, link)
    theirs.sendall(b"250 ok\r\n")
    wait_for(ours)
    link.handle()
    assert bag.outcomes() == {"1": Outcome.ACCEPTED}


def test_an_answer_that_lies_there_before_we_write_is_none(
    tcp: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.delivery.smtp.connection.READ_BYTES", len(YES))  # it came a moment after 354
    ours, theirs = tcp
    bag = ListBag([parcel("1", 100)])
    link = Link(ours, conversation(bag), goodbye=1)
    link.begin()
    theirs.sendall(YES + b"250 already\r\n")
    wait_for(ours)
    link.handle()
    link.handle()
    assert [(r.outcome, r.phase) for _, r in bag.ended] == [(Outcome.DEFERRED, Phase.BODY)]
    assert "answered 250 before it had the whole message" in bag.ended[0][1].text
    assert link.is_over


def test_an_answer_in_the_middle_of_the_message_is_none(tcp: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = tcp
    bag = ListBag([parcel("1", 3_000_000), parcel("2")])
    link = Link(ours, conversation(bag), goodbye=1)
    link.begin()
    theirs.sendall(YES)
    wait_for(ours)
    link.handle()
    theirs.sendall(b"250 already\r\n")
    wait_for(ours)
    link.handle()
    assert [(r.outcome, r.phase, r.code) for _, r in bag.ended] == [(Outcome.DEFERRED, Phase.BODY, None)]
    assert [p.key for p, _ in bag.returned] == ["2"]
    assert link.is_over


@pytest.mark.parametrize(
    ("answer", "outcome"), [(b"250 ok\r\n", Outcome.UNCERTAIN), (b"552 too big\r\n", Outcome.DEFERRED)]
)
def test_an_answer_while_our_bytes_are_on_their_way(
    tcp: tuple[socket.socket, socket.socket], answer: bytes, outcome: Outcome
) -> None:
    """The system took it all, and the server's machine has not: it may get the message yet, and has not accepted it."""
    ours, theirs = tcp
    bag = ListBag([parcel("1", 150_000), parcel("2")])
    link = Link(ours, conversation(bag), goodbye=1)
    link.begin()
    theirs.sendall(YES)
    wait_for(ours)
    link.handle()
    assert not link.has_unsent
    theirs.sendall(answer)
    wait_for(ours)
    link.handle()
    assert [(p.key, r.outcome, r.phase) for p, r in bag.ended] == [("1", outcome, Phase.DOT)]
    assert link.is_over is (outcome is Outcome.UNCERTAIN)


@pytest.mark.parametrize("answer", [b"250 hello\r\n", b"421 bye\r\n", b"354 go\r\n", b"25"])
def test_an_answer_before_the_envelope_takes_no_parcel(tcp: tuple[socket.socket, socket.socket], answer: bytes) -> None:
    ours, theirs = tcp
    bag = ListBag([parcel("1")])
    link = Link(ours, conversation(bag), goodbye=1)
    theirs.sendall(answer)
    wait_for(ours)
    link.begin()
    assert link.is_over
    assert [p.key for p in bag.waiting] == ["1"]


@pytest.mark.parametrize("offers", [{}, {"pipelining": ""}])
@pytest.mark.parametrize("early", [b"354 go\r\n", b"250 ok\r\n" * 2 + b"354 go\r\n", b"250 ok\r\n" * 5])
def test_answers_to_what_has_not_left_hand_nothing_over(offers: dict[str, str], early: bytes) -> None:
    bag = ListBag([parcel("1", 100)])
    talk = conversation(bag, offers)
    talk.begin()
    talk.receive(early)
    assert not bag.ended or bag.ended[0][1].outcome is Outcome.DEFERRED
    assert bytes(talk.unsent).startswith(b"MAIL")


def wait_for(sock: socket.socket) -> None:
    assert select.select([sock], [], [], 5)[0]


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
