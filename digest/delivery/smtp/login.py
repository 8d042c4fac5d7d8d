"""SMTP login: greeting, EHLO, STARTTLS, AUTH; by smtplib, except the reading of replies and what AUTH says."""

import base64
import json
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from digest.delivery.outcome import clean_reply
from digest.delivery.smtp.relay import RelayConfig, Tls, Token
from digest.delivery.smtp.reply import ReplyReader, SmtpReply
from digest.delivery.smtp.sasl import HOW_TO, Credentials, Mechanism, prepared, usable
from digest.delivery.transport import RelayRefusedError
from digest.runtime.errors import DigestError, RelayUnreachableError

_READ_BYTES = 8 * 1024
_COMMAND_LINE = (
    512  # RFC 5321 section 4.5.3.1.4: a longer first answer waits until it is asked for (RFC 4954 section 4)
)
_LET_IN = frozenset({235, 503})  # 503: it knows us already
_NO_SUCH_MECHANISM = frozenset({500, 501, 502, 504})
_CLOSING = 421
_TELLING_BYTES = 4  # a shorter secret is in many a word


class ConnectionLostError(OSError):
    """The connection ended before a whole reply came, or before it could be trusted."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A logged-in connection: its socket, plain or TLS, and what EHLO offered."""

    sock: socket.socket
    offers: dict[str, str]


def log_in(config: RelayConfig, context: ssl.SSLContext) -> Connection:
    """Connect, protect and authenticate as `config` asks, with a `context` that must verify.

    Raises RelayRefusedError when the configuration cannot work (no TLS where it is required, an invalid certificate,
    wrong password, 5yz) and RelayUnreachableError when it may work later.
    """
    try:
        session = _open(config, context)
        try:
            _protect(session, config, context)
            _authenticate(session, config)
            if not session.wire.reader.is_read_up:
                raise ConnectionLostError("the server sent more replies than there were commands")
            # The last segment must not wait for the acknowledgement of the one before it (Nagle; RFC 1122, 4.2.3.4).
            session.wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            session.close()
            raise
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # not `from error`: smtplib's exceptions can hold what was sent, the password included
        raise _translate(error, config) from None
    return Connection(session.wire.sock, dict(session.esmtp_features))


def look(config: RelayConfig, context: ssl.SSLContext) -> dict[str, str]:
    """Return what a relay offers after TLS as `config` asks, without a login or mail; raises as `log_in` does."""
    try:
        session = _open(config, context)
        try:
            _protect(session, config, context)
            offers = dict(session.esmtp_features)
            session.quit()
        finally:
            session.close()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise _translate(error, config) from None
    return offers


class _Wire:
    """A connected socket, plain or TLS, and the replies that come over it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader = ReplyReader()

    def read(self, timeout: float) -> SmtpReply:
        """Return the next whole reply, within `timeout` seconds for all of it."""
        deadline = time.monotonic() + timeout
        while (answer := self.reader.next()) is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise ConnectionLostError("the server did not answer in time")
            self.sock.settimeout(remaining)
            try:
                data = self.sock.recv(_READ_BYTES)
            except TimeoutError:
                raise ConnectionLostError("the server did not answer in time") from None
            if not data:
                raise ConnectionLostError("the server closed the connection")
            self.reader.feed(data)
        return answer


class _Session(smtplib.SMTP):
    """smtplib's commands with our reader: replies have one deadline and a size limit, which smtplib's lack."""

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._wire: _Wire | None = None
        super().__init__(config.host, config.port, local_hostname=config.helo, timeout=config.timeouts.connect)

    @property
    def wire(self) -> _Wire:
        """The wire over the present socket, which STARTTLS replaces."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        if self._wire is None or self._wire.sock is not self.sock:
            # What came in clear behind the answer to STARTTLS may have been put there by anyone (RFC 3207 section 6).
            if self._wire is not None and not self._wire.reader.is_read_up:
                raise ConnectionLostError("the server sent unencrypted data after STARTTLS")
            self._wire = _Wire(self.sock)
        return self._wire

    def getreply(self) -> tuple[int, bytes]:
        timeouts = self._config.timeouts
        timeout = timeouts.login if self._wire else timeouts.greeting
        try:
            answer = self.wire.read(timeout)
            self.wire.sock.settimeout(timeouts.login)
        except OSError:
            self.close()
            raise
        return answer.code, b"\n".join(answer.lines)


class _TlsSession(_Session, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte (RFC 8314 section 3.3)."""

    def __init__(self, config: RelayConfig, context: ssl.SSLContext) -> None:
        self._config = config
        self._wire = None
        smtplib.SMTP_SSL.__init__(
            self, config.host, config.port, config.helo, timeout=config.timeouts.connect, context=context
        )


def _open(config: RelayConfig, context: ssl.SSLContext) -> _Session:
    return _TlsSession(config, context) if config.protection is Tls.IMPLICIT else _Session(config)


def _protect(session: _Session, config: RelayConfig, context: ssl.SSLContext) -> None:
    session.ehlo_or_helo_if_needed()
    if config.protection not in {Tls.REQUIRED, Tls.OPPORTUNISTIC}:
        return
    if not session.has_extn("starttls"):
        if config.protection is Tls.OPPORTUNISTIC:
            return
        raise RelayRefusedError(
            f"{config.name} does not offer STARTTLS, but tls is required: nothing was sent, not even the login.",
            hint='Use the port that offers it (587) or tls = "implicit" (465), or find out what removes STARTTLS.',
        )
    code, text = session.starttls(context=context)
    if code != 220:
        raise smtplib.SMTPResponseException(code, text)
    session.ehlo_or_helo_if_needed()


def _authenticate(session: _Session, config: RelayConfig) -> None:
    if config.username is None:
        return
    if not isinstance(session.sock, ssl.SSLSocket) and not config.is_loopback:
        raise RelayRefusedError(
            f"The login at {config.name} would be sent unencrypted.",
            hint='Set tls = "required" or "implicit", or remove username from this [[relay]].',
        )
    mechanisms = usable(config.name, session.esmtp_features, by_token=config.token is not None)
    if config.token is not None:
        _by_token(session, config, config.token, mechanisms)
        return
    who = _credentials(config, prepared(config.password or "", "password_file"))
    for mechanism in mechanisms:  # some offer what they cannot do, or not with every password
        answer = _say(session, mechanism, who)
        if answer.code in _LET_IN:
            return
        if answer.code == _CLOSING:
            break
    raise _no_login(config, mechanism, answer)


def _by_token(session: _Session, config: RelayConfig, source: Token, mechanisms: Sequence[Mechanism]) -> None:
    token, is_new = source.get(), False
    for mechanism in mechanisms:
        answer = _say(session, mechanism, _credentials(config, token.encode()))
        if answer.code >= 500 and answer.code not in _NO_SUCH_MECHANISM | _LET_IN and not is_new:
            refused, token, is_new = token, source.get(refused=token), True  # it may have expired, or been withdrawn
            if token != refused:
                answer = _say(session, mechanism, _credentials(config, token.encode()))
        if answer.code in _LET_IN:
            return
        if answer.code < 500:
            break
    raise _no_login(config, mechanism, answer)


def _credentials(config: RelayConfig, secret: bytes) -> Credentials:
    return Credentials(prepared(config.username or "", "username"), secret, config.host, config.port)


def _say(session: _Session, mechanism: Mechanism, who: Credentials) -> SmtpReply:
    """Try one mechanism; return the last answer, without what we said, should the server repeat it."""
    steps, said = list(mechanism.steps), [who.secret]
    command, told = f"AUTH {mechanism.name}", b""
    if mechanism.client_first:
        first = f"{command} {_base64(steps[0](who, b''), said)}"
        if len(first) + len("\r\n") <= _COMMAND_LINE:
            command, _ = first, steps.pop(0)
    code, words = session.docmd(command)
    while code == 334:
        told = _status(words) or told
        if not steps:
            raise ConnectionLostError(f"the server asks for more steps than {mechanism.name} has")
        code, words = session.docmd(_base64(steps.pop(0)(who, words), said))
    for secret in said:
        words = words.replace(secret, b"...") if len(secret) >= _TELLING_BYTES else words
    return SmtpReply(code, (*words.split(b"\n"), told))


def _base64(data: bytes, said: list[bytes]) -> str:
    said.append(base64.b64encode(data))
    return said[-1].decode()


def _status(words: bytes) -> bytes:
    """Return what a refused token's challenge says (RFC 7628 section 3.2.2); nothing for any other challenge."""
    try:
        found = json.loads(base64.b64decode(words))
    except (ValueError, RecursionError):
        return b""
    return f"(status {found['status']})".encode() if isinstance(found, dict) and "status" in found else b""


def _no_login(config: RelayConfig, mechanism: Mechanism, answer: SmtpReply) -> DigestError:
    text = f"{config.name} refused the login by {mechanism.name}: {answer.code} {answer.text}"
    if answer.code < 500:
        return RelayUnreachableError(text)
    if config.token is None:
        hint = (
            f"Check username and password_file in this [[relay]]; some providers require a token instead: see {HOW_TO}."
        )
    else:
        hint = f"Check that username is the mailbox of the token, and that its scope allows SMTP: see {HOW_TO}."
    return RelayRefusedError(text, hint=hint)


def _translate(error: Exception, config: RelayConfig) -> DigestError:
    if isinstance(error, ssl.SSLError):
        return _without_tls(error, config)
    if isinstance(error, smtplib.SMTPResponseException):
        kind = RelayRefusedError if error.smtp_code >= 500 else RelayUnreachableError
        return kind(f"{config.name} answered {error.smtp_code} before any mail: {_words(error.smtp_error)}")
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        return RelayRefusedError(f"{config.name} does not reply as an SMTP server.")
    if isinstance(error, ValueError):
        return RelayRefusedError(
            f"The login at {config.name} failed: helo contains a non-ASCII character, or the server's challenge "
            "cannot be read."
        )
    return RelayUnreachableError(f"{config.name} cannot be reached: {clean_reply(str(error))}.")


def _without_tls(error: ssl.SSLError, config: RelayConfig) -> DigestError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return RelayRefusedError(
            f"The certificate of {config.name} cannot be verified for {config.host}: {error.verify_message}.",
            hint="Use the host name in the certificate, or add its certificate authority to the system's trusted ones.",
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return RelayUnreachableError(f"{config.name} closed the connection during the TLS handshake.")
    return RelayRefusedError(f"The TLS handshake with {config.name} failed: {error.reason or 'no reason given'}.")


def _words(words: bytes | str) -> str:
    return clean_reply(words.decode("utf-8", "replace") if isinstance(words, bytes) else words)
