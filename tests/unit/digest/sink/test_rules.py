"""What holds for everybody at the sink: delay, quota, connections that end, size, TLS, login, a share that is refused."""

import shutil
import socket
import ssl
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.outcome import Outcome, Phase, Reason
from digest.delivery.smtp.relay import Tls
from digest.delivery.transport import Envelope, RelayRefusedError, Reply
from digest.runtime.errors import EnvironmentFailedError, UsageError
from digest.sink.certificate import server_context
from digest.sink.faults import fault_for
from digest.sink.rules import Login, MessageQuota, Quota, SinkRules, Tries
from digest.sink.server import Sink
from digest.testing import FrozenClock
from tests.support.smtp_transports import MakeTransport

MESSAGE = [b"Subject: hello\r\n\r\nhello\r\n"]


def envelope(recipient: str = "reader@example.org") -> Envelope:
    return Envelope("1", "sender@example.org", recipient)


def test_beyond_the_quota_mail_is_put_off_as_throttled(tmp_path: Path, make_transport: MakeTransport) -> None:
    with Sink(tmp_path, rules=SinkRules(quota=Quota.parse("2/hour"))) as sink:
        transport = make_transport(sink.port)
        replies: list[Reply] = [transport.send(envelope(), MESSAGE) for _ in range(4)]
    assert [reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 2 + [Outcome.DEFERRED] * 2
    assert (replies[2].phase, replies[2].code, replies[2].reason) == (Phase.MAIL, 450, Reason.THROTTLED)
    assert "rate limit" in replies[2].text


@given(st.lists(st.floats(0, 0.7), max_size=60), st.integers(1, 5))
def test_at_no_moment_more_than_the_quota_lies_in_the_window(gaps: list[float], messages: int) -> None:
    now = 0.0
    meter = MessageQuota(Quota(messages, 1), lambda: now)
    admitted: list[float] = []
    for gap in gaps:
        now += gap
        was_full = sum(now - moment < 1 for moment in admitted) == messages
        assert meter.admits() is not was_full
        if not was_full:
            admitted.append(now)


@pytest.mark.parametrize("text", ["", "20", "0/minute", "-1/hour", "20/day", "1.5/second", "٢/hour", "20/minute/x"])
def test_what_is_no_quota_is_said_so(text: str) -> None:
    with pytest.raises(UsageError, match="is not a valid quota"):
        Quota.parse(text)


@pytest.mark.parametrize("text", ["", "ada", "ada:", ":secret"])
def test_a_login_needs_both_parts_and_is_never_echoed(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Login.parse(text)
    assert "secret" not in caught.value.message
    assert Login.parse("ada:se:cret") == Login("ada", "se:cret")


@pytest.mark.parametrize("make", [
    lambda: SinkRules(size_limit=0), lambda: SinkRules(rejects=101), lambda: SinkRules(rejects=-1), lambda: SinkRules(delay=-1), lambda: SinkRules(close_after=-1),
])  # fmt: skip
def test_rules_that_cannot_be_meant_are_refused(make: Callable[[], SinkRules]) -> None:
    with pytest.raises(UsageError):
        make()


def test_a_throttled_address_is_put_off_again_after_a_minute() -> None:
    clock = FrozenClock(datetime(2021, 9, 30, tzinfo=UTC))
    tries = Tries(clock.monotonic)
    fault = fault_for("throttle@x")
    assert fault
    due = []
    for seconds in (0, 1, 58, 2, 1):
        clock.move(seconds=seconds) if seconds else None
        due.append(tries.is_due(fault, "throttle@x"))
    assert due == [True, False, False, True, False]


def test_the_connection_ends_silently_after_so_many_messages(tmp_path: Path, make_transport: MakeTransport) -> None:
    with Sink(tmp_path, rules=SinkRules(close_after=2)) as sink:
        with socket.create_connection(("127.0.0.1", sink.port)) as client, client.makefile("rb") as answers:
            one = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n.\r\n"
            client.sendall(b"EHLO x\r\n" + one * 3 + b"QUIT\r\n")
            lines = answers.read().splitlines()
        assert [line[:4] for line in lines].count(b"354 ") == 2
        assert lines[-1].startswith(b"250 2.0.0 "), "no goodbye"
        transport = make_transport(sink.port)
        replies = [transport.send(envelope(), MESSAGE).outcome for _ in range(5)]
    assert replies == [Outcome.ACCEPTED] * 5, "the transport opens a new connection"


def test_each_reply_comes_later(tmp_path: Path, make_transport: MakeTransport) -> None:
    with Sink(tmp_path, rules=SinkRules(delay=0.05)) as sink:
        before = time.monotonic()
        assert make_transport(sink.port).send(envelope(), MESSAGE).outcome is Outcome.ACCEPTED
        # Six replies: greeting, EHLO, MAIL, RCPT, DATA, dot; a lower bound holds however slow the machine is.
        assert time.monotonic() - before >= 6 * 0.05


def test_some_are_refused_and_always_the_same(tmp_path: Path, make_transport: MakeTransport) -> None:
    addresses = [f"reader{number}@example.org" for number in range(40)]
    with Sink(tmp_path, rules=SinkRules(rejects=30, slow_seconds=0)) as sink:
        transport = make_transport(sink.port)
        rounds = [[transport.send(envelope(a), MESSAGE).outcome for a in addresses] for _ in range(2)]
        assert transport.send(envelope("slow@example.org"), MESSAGE).outcome is Outcome.ACCEPTED, "magic stays magic"
    assert rounds[0] == rounds[1]
    assert set(rounds[0]) == {Outcome.ACCEPTED, Outcome.REJECTED}


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate))
    # What Python asks for by default from 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_over_tls_with_its_own_certificate(tmp_path: Path, make_transport: MakeTransport, host: str) -> None:
    with Sink(tmp_path, starttls=True) as sink:
        assert sink.certificate
        transport = make_transport(sink.port, host=host, tls=Tls.REQUIRED, context=trusting(sink.certificate))
        assert transport.send(envelope(), MESSAGE).outcome is Outcome.ACCEPTED
        assert transport.send(envelope("drop-after-dot@x"), MESSAGE).outcome is Outcome.UNCERTAIN
        assert transport.send(envelope("reset-after-dot@x"), MESSAGE).outcome is Outcome.UNCERTAIN
        assert transport.send(envelope(), MESSAGE).outcome is Outcome.ACCEPTED
        with pytest.raises(RelayRefusedError, match="certificate"):
            make_transport(sink.port, tls=Tls.REQUIRED).send(envelope(), MESSAGE)


def test_the_certificate_stays_and_its_key_is_the_owners(tmp_path: Path) -> None:
    _, certificate = server_context(tmp_path / "deep")
    first = certificate.read_bytes()
    assert stat.S_IMODE((tmp_path / "deep" / "certificate-key.pem").stat().st_mode) == 0o600
    assert server_context(tmp_path / "deep")[1].read_bytes() == first


@pytest.mark.parametrize("spoil", [
    lambda folder: (folder / "certificate.pem").write_bytes(b""),
    lambda folder: (folder / "certificate.pem").write_bytes(b"\xff" * 1_000_000),
    lambda folder: (folder / "certificate-key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    lambda folder: (folder / "certificate-key.pem").unlink(),
    lambda folder: shutil.copy(server_context(folder / "other")[1], folder / "certificate.pem"),
])  # fmt: skip
def test_a_pair_that_does_not_fit_is_made_anew(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    server_context(tmp_path)
    spoil(tmp_path)
    context, certificate = server_context(tmp_path)
    assert context.get_ca_certs() == []
    assert certificate.read_bytes().startswith(b"-----BEGIN CERTIFICATE")


def test_a_certificate_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailedError, match="cannot be written"):
        server_context(tmp_path / "file")


@pytest.mark.parametrize("starttls", [False, True], ids=["in clear", "over TLS"])
def test_only_who_knows_the_password_may_send(tmp_path: Path, make_transport: MakeTransport, starttls: bool) -> None:
    with Sink(tmp_path, rules=SinkRules(login=Login("ada", "geheim")), starttls=starttls) as sink:
        tls = {"tls": Tls.REQUIRED, "context": trusting(sink.certificate)} if sink.certificate else {}
        right = make_transport(sink.port, username="ada", password="geheim", **tls)
        assert right.send(envelope(), MESSAGE).outcome is Outcome.ACCEPTED
        with pytest.raises(RelayRefusedError, match="535"):
            make_transport(sink.port, username="ada", password="wrong", **tls).send(envelope(), MESSAGE)
        with pytest.raises(RelayRefusedError, match="530"):
            make_transport(sink.port, **tls).send(envelope(), MESSAGE)


def test_both_ways_of_logging_in_work_and_nonsense_does_not(tmp_path: Path) -> None:
    with (
        Sink(tmp_path, rules=SinkRules(login=Login("ada", "geheim"))) as sink,
        socket.create_connection(("127.0.0.1", sink.port)) as client,
        client.makefile("rb") as answers,
    ):
        client.sendall(b"EHLO x\r\nAUTH PLAIN !!!\r\nAUTH PLAIN AAAA\r\nAUTH PLAIN /wD/AP8=\r\n")
        client.sendall(b"AUTH LOGIN\r\nYWRh\r\nZ2VoZWlt\r\nQUIT\r\n")  # ada, geheim
        text = answers.read()
    assert b"250-AUTH LOGIN PLAIN" in text
    assert text.count(b"\r\n501 ") + text.count(b"\r\n535 ") == 3
    assert b"\r\n235 " in text


def test_nothing_is_offered_that_was_not_asked_for(tmp_path: Path) -> None:
    with (
        Sink(tmp_path) as sink,
        socket.create_connection(("127.0.0.1", sink.port)) as client,
        client.makefile("rb") as answers,
    ):
        client.sendall(b"EHLO x\r\nQUIT\r\n")
        offers = {line[4:].split()[0] for line in answers.read().splitlines()}
    assert offers.isdisjoint({b"AUTH", b"STARTTLS", b"PIPELINING"})
