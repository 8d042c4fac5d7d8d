"""Protection and login against a real server (aiosmtpd) with real certificates."""

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from digest.delivery.outcome import Outcome
from digest.delivery.smtp.relay import RelayConfig, Timeouts, Tls
from digest.delivery.transport import Envelope, RelayRefusedError
from digest.runtime.errors import RelayUnreachableError
from tests.support.smtp_transports import MakeTransport

ENVELOPE = Envelope("7", "sender@example.org", "reader@example.org")
MESSAGE = [b"Subject: hello\r\n\r\n", b".one\r\n..two\r\n.\r\nthree"]


@dataclass
class Mailbox:
    """An aiosmtpd handler that keeps what arrives, and whether it came over TLS."""

    mails: list[bytes] = field(default_factory=list)
    protected: list[bool] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 aiosmtpd's name
        self.mails.append(envelope.original_content)
        self.protected.append(session.ssl is not None)
        return "250 2.0.0 kept"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.password)
        return AuthResult(success=data.password == b"right", handled=False)


class Server(Controller):
    def __init__(self, mailbox: Mailbox, **more: Any) -> None:
        super().__init__(mailbox, hostname="127.0.0.1", port=0, authenticator=mailbox.authenticate, **more)

    def _trigger_server(self) -> None:
        # aiosmtpd tries whether it answers at the port it was given, which is not the one that 0 has become
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def certificate(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def serve(mailbox: Mailbox) -> Iterator[Any]:
    servers: list[Server] = []

    def start(**more: Any) -> int:
        servers.append(Server(mailbox, **more))
        servers[-1].start()
        return servers[-1].port

    yield start
    for server in servers:
        server.stop()


def test_starttls_protects_what_is_sent(
    serve: Any, mailbox: Mailbox, authority: trustme.CA, trusting: ssl.SSLContext, make_transport: MakeTransport
) -> None:
    port = serve(tls_context=certificate(authority, "127.0.0.1"), require_starttls=True)
    transport = make_transport(port, tls=Tls.REQUIRED, context=trusting)
    assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
    assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
    assert mailbox.mails == [b"Subject: hello\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n"] * 2
    assert mailbox.protected == [True, True]


def test_implicit_tls_protects_from_the_first_byte(
    serve: Any, mailbox: Mailbox, authority: trustme.CA, trusting: ssl.SSLContext, make_transport: MakeTransport
) -> None:
    # aiosmtpd's controller proves at its start, as a client, that it answers, and needs the same certificates
    context = certificate(authority, "127.0.0.1")
    authority.configure_trust(context)
    # a million lines take this server seconds, and more on a busy machine
    patient = Timeouts(60, 60, 60, 60, 60, 60, 60, 60, goodbye=0.2)
    transport = make_transport(serve(ssl_context=context), tls="implicit", context=trusting, timeouts=patient)
    assert transport.send(ENVELOPE, [b"x" * 3_000_000]).outcome is Outcome.DEFERRED  # one line is too long for it
    assert transport.send(ENVELOPE, [b"Subject: x\r\n\r\n", b"x\r\n" * 1_000_000]).outcome is Outcome.ACCEPTED
    assert len(mailbox.mails[0]) == 3_000_014


@pytest.mark.parametrize("tls", [Tls.REQUIRED, Tls.OPPORTUNISTIC])
def test_a_certificate_of_an_unknown_authority_is_refused(
    serve: Any, mailbox: Mailbox, trusting: ssl.SSLContext, make_transport: MakeTransport, tls: Tls
) -> None:
    port = serve(tls_context=certificate(trustme.CA(), "127.0.0.1"))
    with pytest.raises(RelayRefusedError, match=r"does not prove that it is 127\.0\.0\.1"):
        make_transport(port, tls=tls, context=trusting, username="editor", password="right").send(ENVELOPE, MESSAGE)
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_a_certificate_for_another_host_is_refused(
    serve: Any, mailbox: Mailbox, authority: trustme.CA, trusting: ssl.SSLContext, make_transport: MakeTransport
) -> None:
    port = serve(tls_context=certificate(authority, "elsewhere.example.org"))
    with pytest.raises(RelayRefusedError, match="does not prove"):
        make_transport(port, tls=Tls.REQUIRED, context=trusting).send(ENVELOPE, MESSAGE)
    assert mailbox.mails == []


def test_the_system_does_not_trust_our_test_authority(
    serve: Any, authority: trustme.CA, make_transport: MakeTransport
) -> None:
    with pytest.raises(RelayRefusedError, match="does not prove"):
        make_transport(serve(tls_context=certificate(authority, "127.0.0.1")), tls="required").send(ENVELOPE, MESSAGE)


def test_opportunistic_goes_without_tls_where_none_is_offered(
    serve: Any, mailbox: Mailbox, make_transport: MakeTransport
) -> None:
    assert make_transport(serve(), tls="opportunistic").send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
    assert mailbox.protected == [False]


def test_starttls_taken_away_means_no_login_and_no_mail(
    serve: Any, mailbox: Mailbox, make_transport: MakeTransport
) -> None:
    port = serve(auth_require_tls=False, auth_required=False)
    with pytest.raises(RelayRefusedError, match="STARTTLS"):
        make_transport(port, tls="required", username="editor", password="right").send(ENVELOPE, MESSAGE)
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_a_password_does_not_cross_the_network_in_clear(
    serve: Any, mailbox: Mailbox, make_transport: MakeTransport
) -> None:
    # 127.1 is this machine as well, in a spelling that is not known to be; so it stands for any other host
    transport = make_transport(
        serve(auth_require_tls=False), host="127.1", tls="opportunistic", username="editor", password="right"
    )
    with pytest.raises(RelayRefusedError, match="in clear"):
        transport.send(ENVELOPE, MESSAGE)
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_on_this_machine_a_password_needs_no_tls(serve: Any, mailbox: Mailbox, make_transport: MakeTransport) -> None:
    transport = make_transport(serve(auth_require_tls=False), username="editor", password="right")
    assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
    assert mailbox.logins == [b"right"]


def test_what_is_put_in_clear_behind_starttls_does_not_survive(
    authority: trustme.CA, trusting: ssl.SSLContext, make_transport: MakeTransport
) -> None:
    context = certificate(authority, "127.0.0.1")
    said: list[bytes] = []

    def inject() -> None:
        plain, _ = listener.accept()
        plain.sendall(b"220 relay\r\n")
        plain.recv(1000)
        plain.sendall(b"250-relay\r\n250 STARTTLS\r\n")
        plain.recv(1000)
        plain.sendall(b"220 go\r\n250-relay\r\n250 AUTH PLAIN\r\n")
        with context.wrap_socket(plain, server_side=True) as protected:
            while line := protected.recv(1000):
                said.append(line)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=inject)
        server.start()
        port = listener.getsockname()[1]
        transport = make_transport(port, tls="required", context=trusting, username="editor", password="right")
        with pytest.raises(RelayUnreachableError, match="in clear after STARTTLS"):
            transport.send(ENVELOPE, MESSAGE)
        server.join()
    assert b"AUTH" not in b"".join(said)


def test_the_right_password_lets_us_in_over_tls(
    serve: Any, mailbox: Mailbox, authority: trustme.CA, trusting: ssl.SSLContext, make_transport: MakeTransport
) -> None:
    port = serve(tls_context=certificate(authority, "127.0.0.1"), auth_required=True)
    transport = make_transport(port, tls="required", context=trusting, username="editor", password="right")
    assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
    assert mailbox.logins == [b"right"]


@pytest.mark.parametrize("password", ["wrong", "비밀번호", "", None])
def test_a_wrong_password_stops_the_run_and_is_not_in_the_error(
    serve: Any,
    mailbox: Mailbox,
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    make_transport: MakeTransport,
    password: str,
) -> None:
    port = serve(tls_context=certificate(authority, "127.0.0.1"), auth_required=True)
    transport = make_transport(port, tls="required", context=trusting, username="editor", password=password)
    with pytest.raises(RelayRefusedError) as caught:
        transport.send(ENVELOPE, MESSAGE)
    assert not password or password not in str(caught.value)
    assert caught.value.__cause__ is None
    assert mailbox.mails == []


def test_a_password_is_not_part_of_the_config_in_words() -> None:
    assert "secret" not in repr(RelayConfig("relay.example.net", password="secret"))


@pytest.mark.parametrize(
    ("host", "tls"),
    [
        ("relay.example.net", Tls.REQUIRED),
        ("10.0.0.1", Tls.REQUIRED),
        ("127.0.0.1.example.net", Tls.REQUIRED),
        ("", Tls.REQUIRED),
        ("localhost", Tls.NONE),
        ("127.8.0.1", Tls.NONE),
        ("::1", Tls.NONE),
    ],
)
def test_tls_is_required_wherever_mail_leaves_the_machine(host: str, tls: Tls) -> None:
    assert RelayConfig(host).protection is tls


def test_an_unknown_protection_is_an_error() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        _ = RelayConfig("relay.example.net", tls="nonsense").protection  # type: ignore[arg-type]


def test_nobody_listening_is_unreachable(make_transport: MakeTransport) -> None:
    with pytest.raises(RelayUnreachableError, match="cannot be reached") as caught:
        make_transport(1).send(ENVELOPE, MESSAGE)
    assert caught.value.hint
