"""Protection and login against a real server (aiosmtpd) with real certificates."""

import base64
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
from tests.support.scripted_server import ScriptedServer, dialogue
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
    with pytest.raises(RelayRefusedError, match=r"cannot be verified for 127\.0\.0\.1"):
        make_transport(port, tls=tls, context=trusting, username="editor", password="right").send(ENVELOPE, MESSAGE)
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_a_certificate_for_another_host_is_refused(
    serve: Any, mailbox: Mailbox, authority: trustme.CA, trusting: ssl.SSLContext, make_transport: MakeTransport
) -> None:
    port = serve(tls_context=certificate(authority, "elsewhere.example.org"))
    with pytest.raises(RelayRefusedError, match="cannot be verified for"):
        make_transport(port, tls=Tls.REQUIRED, context=trusting).send(ENVELOPE, MESSAGE)
    assert mailbox.mails == []


def test_the_system_does_not_trust_our_test_authority(
    serve: Any, authority: trustme.CA, make_transport: MakeTransport
) -> None:
    with pytest.raises(RelayRefusedError, match="cannot be verified for"):
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
    with pytest.raises(RelayRefusedError, match="would be sent unencrypted"):
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
        with pytest.raises(RelayUnreachableError, match="unencrypted data after STARTTLS"):
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


# Logins word for word, on a socket. The user is 사용자, the password pässwörd, each in UTF-8 and base64.

USER, PASSWORD = "사용자", "pa\u0308sswo\u0308rd"
GREETING = "S: 220 relay\nC: EHLO\nS: 250-relay\nS: 250 AUTH {offered}\n"
MAIL = "C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: ...\nS: 250 kept\n"
PASSWORD_LOGINS = {
    "PLAIN": "C: AUTH PLAIN AOyCrOyaqeyekABww6Rzc3fDtnJk\nS: 235 ok\n",
    "LOGIN": "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: 7IKs7Jqp7J6Q\nS: 334 UGFzc3dvcmQ6\nC: cMOkc3N3w7ZyZA==\nS: 235 ok\n",
    "CRAM-MD5": "C: AUTH CRAM-MD5\nS: 334 PDEuMkB4Pg==\nC: 7IKs7Jqp7J6QIDNhMWUwOWZkYTkyYWI5OThhNTI5MDhlZTk2ZDMzNTk0\n"
    "S: 235 ok\n",
}
GOOD = "C: AUTH XOAUTH2 dXNlcj3sgqzsmqnsnpABYXV0aD1CZWFyZXIgZ29vZAEB\nS: 235 2.7.0 welcome\n"
BAD = "C: AUTH XOAUTH2 dXNlcj3sgqzsmqnsnpABYXV0aD1CZWFyZXIgYmFkAQE=\n"
BEARER_BAD = "C: AUTH OAUTHBEARER bixhPeyCrOyaqeyekCwBaG9zdD0xMjcuMC4wLjEBcG9ydD0"
ERROR = "S: 334 eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=\n"


class Tokens:
    """Gives these tokens one after the other, the last one again."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.asked = 0

    def get(self, *, refused: str = "") -> str:
        self.asked += 1
        if refused == self._tokens[0] and len(self._tokens) > 1:
            self._tokens.pop(0)
        return self._tokens[0]


@pytest.mark.parametrize("mechanism", PASSWORD_LOGINS)
def test_a_password_outside_ascii_logs_in(make_transport: MakeTransport, mechanism: str) -> None:
    script = GREETING.format(offered=mechanism) + PASSWORD_LOGINS[mechanism] + MAIL
    with ScriptedServer(dialogue(script)) as server:
        transport = make_transport(server.port, username=USER, password=PASSWORD)
        assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
        transport.close()


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        (GREETING.format(offered="XOAUTH2 PLAIN") + BAD + "S: 235 ok\n", 1),
        # a refused token: its challenge is answered, another token is asked for once
        (GREETING.format(offered="PLAIN XOAUTH2") + BAD + ERROR + "C: \nS: 535 5.7.8 no\n" + GOOD, 2),
        (GREETING.format(offered="XOAUTH2") + BAD + "S: 535 5.7.3 Authentication unsuccessful\n" + GOOD, 2),
        # a mechanism that is offered in vain is no reason for another token
        (GREETING.format(offered="XOAUTH2 OAUTHBEARER") + BEARER_BAD + "\nS: 504 unknown\n" + BAD + "S: 235 ok\n", 1),
        (
            GREETING.format(offered="OAUTHBEARER")
            + BEARER_BAD
            + f"\n{ERROR}C: AQ==\nS: 535 no\n{BEARER_BAD}\nS: 235 ok\n",
            2,
        ),
    ],
    ids=["at once", "after a challenge", "after 535", "by the other mechanism", "OAUTHBEARER"],
)
def test_a_token_logs_in(make_transport: MakeTransport, script: str, asked: int) -> None:
    tokens = Tokens("bad", "good")
    with ScriptedServer(dialogue(script + MAIL)) as server:
        transport = make_transport(server.port, username=USER, token=tokens)
        assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
        transport.close()
    assert tokens.asked == asked


@pytest.mark.parametrize("tokens", [Tokens("bad"), Tokens("bad", "worse")], ids=["the same again", "another"])
def test_a_token_that_stays_refused_ends_the_run(make_transport: MakeTransport, tokens: Tokens) -> None:
    again = "" if len(tokens._tokens) == 1 else "C: AUTH XOAUTH2\n" + ERROR + "C: \nS: 535 5.7.8 no\n"
    script = GREETING.format(offered="XOAUTH2") + BAD + ERROR + "C: \nS: 535 5.7.8 no\n" + again
    told = pytest.raises(RelayRefusedError, match=r"login by XOAUTH2: 535 5.7.8 .*\(status 400\)")
    with ScriptedServer(dialogue(script)) as server, told as caught:
        make_transport(server.port, username=USER, token=tokens).send(ENVELOPE, MESSAGE)
    assert tokens.asked == 2
    assert "scope" in caught.value.hint


def test_a_relay_that_cannot_check_the_token_now_is_asked_later(make_transport: MakeTransport) -> None:
    tokens = Tokens("bad", "good")
    script = GREETING.format(offered="XOAUTH2 OAUTHBEARER") + "C: AUTH OAUTHBEARER\nS: 454 4.7.0 busy\n"
    with ScriptedServer(dialogue(script)) as server, pytest.raises(RelayUnreachableError, match="454"):
        make_transport(server.port, username=USER, token=tokens).send(ENVELOPE, MESSAGE)
    assert tokens.asked == 1


def test_a_long_token_waits_until_it_is_asked_for(make_transport: MakeTransport) -> None:
    """RFC 4954 section 4: a command line holds 512 bytes, and tokens of large providers have 2,000."""
    said = base64.b64encode(b"user=editor\x01auth=Bearer " + b"t" * 2000 + b"\x01\x01").decode()
    script = GREETING.format(offered="XOAUTH2") + f"C: AUTH XOAUTH2\nS: 334 \nC: {said}\nS: 235 ok\n" + MAIL
    with ScriptedServer(dialogue(script)) as server:
        transport = make_transport(server.port, username="editor", token=Tokens("t" * 2000))
        assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
        transport.close()


@pytest.mark.parametrize("offered", ["XOAUTH2", "PLAIN"])
def test_a_secret_that_the_server_repeats_is_not_shown(make_transport: MakeTransport, offered: str) -> None:
    """Servers quote the command that they do not understand."""
    login: dict[str, Any] = {"token": Tokens("s3cr3t")} if offered == "XOAUTH2" else {"password": "s3cr3t"}
    said = {"XOAUTH2": b"user=editor\x01auth=Bearer s3cr3t\x01\x01", "PLAIN": b"\0editor\0s3cr3t"}[offered]
    quoted = base64.b64encode(said).decode()
    script = GREETING.format(offered=offered) + f"C: AUTH\nS: 500 what is AUTH {offered} {quoted} (s3cr3t)?\n"
    with ScriptedServer(dialogue(script)) as server, pytest.raises(RelayRefusedError, match="what is AUTH") as caught:
        make_transport(server.port, username="editor", **login).send(ENVELOPE, MESSAGE)
    assert "s3cr3t" not in str(caught.value)
    assert quoted not in str(caught.value)


def test_a_server_that_asks_although_it_was_told_is_told_again(make_transport: MakeTransport) -> None:
    script = GREETING.format(offered="PLAIN") + "C: AUTH PLAIN AGUAcw==\nS: 334 \nC: AGUAcw==\nS: 235 ok\n" + MAIL
    with ScriptedServer(dialogue(script)) as server:
        transport = make_transport(server.port, username="e", password="s")
        assert transport.send(ENVELOPE, MESSAGE).outcome is Outcome.ACCEPTED
        transport.close()


def test_a_server_that_asks_without_end_is_left(make_transport: MakeTransport) -> None:
    script = GREETING.format(offered="LOGIN") + "C: AUTH LOGIN\n" + "S: 334 eA==\nC: \n" * 2 + "S: 334 eA==\n"
    with (
        ScriptedServer(dialogue(script)) as server,
        pytest.raises(RelayUnreachableError, match="more steps than LOGIN has"),
    ):
        make_transport(server.port, username="editor", password="secret").send(ENVELOPE, MESSAGE)


def test_what_is_offered_and_known_is_named(make_transport: MakeTransport) -> None:
    told = pytest.raises(RelayRefusedError, match=r"supports XOAUTH2, GSSAPI .*needs CRAM-MD5, PLAIN or LOGIN")
    with ScriptedServer(dialogue(GREETING.format(offered="XOAUTH2 GSSAPI"))) as server, told:
        make_transport(server.port, username="editor", password="right").send(ENVELOPE, MESSAGE)
