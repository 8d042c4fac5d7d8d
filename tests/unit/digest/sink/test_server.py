import mailbox
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.delivery.outcome import Outcome, Phase
from digest.delivery.transport import Envelope
from digest.runtime.errors import EnvironmentFailedError, UsageError
from digest.sink.rules import SinkRules
from digest.sink.server import Sink
from tests.support.smtp_transports import MakeTransport

MESSAGE = [b"Subject: hello\r\n\r\n", b"one\r\n.two\r\n"]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path / "deep" / "sink") as sink:
        yield sink


def kept(tmp_path: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((tmp_path / "deep" / "sink" / "new").iterdir())]


def send(make_transport: MakeTransport, sink: Sink, *recipients: str) -> list[tuple[Outcome, Phase, int | None]]:
    transport = make_transport(sink.port)
    replies = [transport.send(Envelope("7", "sender@example.org", recipient), MESSAGE) for recipient in recipients]
    return [(reply.outcome, reply.phase, reply.code) for reply in replies]


def test_what_arrives_is_kept_with_its_envelope(sink: Sink, make_transport: MakeTransport, tmp_path: Path) -> None:
    assert send(make_transport, sink, "reader@example.org") == [(Outcome.ACCEPTED, Phase.DOT, 250)]
    assert kept(tmp_path) == [
        b"Return-Path: <sender@example.org>\nDelivered-To: reader@example.org\nSubject: hello\n\none\n.two\n"
    ]


def test_any_program_can_read_the_maildir(sink: Sink, make_transport: MakeTransport, tmp_path: Path) -> None:
    send(make_transport, sink, "a@example.org", "b@example.org")
    (tmp_path / "deep" / "sink" / "tmp" / "unfinished").write_bytes(b"Subj")
    box = mailbox.Maildir(tmp_path / "deep" / "sink", create=False)
    assert sorted(mail["Delivered-To"] for mail in box) == ["a@example.org", "b@example.org"]


def test_a_message_over_the_limit_is_refused(tmp_path: Path, make_transport: MakeTransport) -> None:
    with Sink(tmp_path, rules=SinkRules(size_limit=1000)) as sink:
        reply = make_transport(sink.port).send(Envelope("7", "a@example.org", "b@example.org"), [b"x\r\n" * 1000])
        assert (reply.outcome, reply.enhanced) == (Outcome.DEFERRED, "5.3.4")
        with socket.create_connection(("127.0.0.1", sink.port)) as rude, rude.makefile("rb") as answers:
            # who ignores the announced size
            rude.sendall(b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
            rude.sendall(b"x\r\n" * 1000 + b".\r\nQUIT\r\n")
            assert b"552" in answers.read()
    assert list((tmp_path / "new").iterdir()) == []


def test_nonsense_does_not_end_the_sink(sink: Sink, make_transport: MakeTransport) -> None:
    with socket.create_connection(("127.0.0.1", sink.port)) as rude:
        rude.sendall(b"\x00\xff\xfe" * 100_000 + b"\r\n\r\nDATA\r\n")
    with socket.create_connection(("127.0.0.1", sink.port)) as rude:
        rude.sendall(b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<drop-after-dot@x>\r\nDATA\r\nhalf a mess")
    assert send(make_transport, sink, "reader@example.org") == [(Outcome.ACCEPTED, Phase.DOT, 250)]


def test_several_recipients_of_one_message_are_all_recorded(sink: Sink, tmp_path: Path) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port, local_hostname="x") as client:
        refused = client.sendmail(
            "a@example.org",
            ["b@example.org", "550@example.org", "독자@example.org"],
            b"Subject: x\r\n\r\n",
            ["SMTPUTF8"],
        )
    assert list(refused) == ["550@example.org"]
    assert kept(tmp_path)[0].startswith(
        "Return-Path: <a@example.org>\nDelivered-To: b@example.org\nDelivered-To: 독자@example.org\nSubject".encode()
    )


def test_stopping_closes_connections_that_are_in_use(tmp_path: Path) -> None:
    with Sink(tmp_path) as sink:
        client = socket.create_connection(("127.0.0.1", sink.port))
        assert client.recv(100).startswith(b"220 ")
    with client:
        assert client.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sink.port))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "sink.example.org", ""])
def test_the_sink_does_not_listen_to_the_network(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="loopback"):
        Sink(tmp_path, host=host)


def test_a_port_that_is_taken_is_said_so(sink: Sink, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailedError, match=f"cannot listen on 127.0.0.1:{sink.port}") as caught:
        Sink(tmp_path, port=sink.port).start()
    assert "--port" in caught.value.hint
