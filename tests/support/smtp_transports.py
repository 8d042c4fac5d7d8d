"""Fixtures of the delivery tests: messages, transports that are closed, a certificate authority of our own."""

import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme

from digest.delivery.smtp.relay import RelayConfig, Timeouts
from digest.delivery.smtp.transport import SmtpTransport

SHORT = Timeouts(5, 5, 5, 5, 5, 5, 5, 5, goodbye=0.2)
MakeTransport = Callable[..., SmtpTransport]


@pytest.fixture
def make_transport() -> Iterator[MakeTransport]:
    transports: list[SmtpTransport] = []

    def make(
        port: int,
        *,
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
        timeouts: Timeouts = SHORT,
        **more: object,
    ) -> SmtpTransport:
        config = RelayConfig(host, port, helo="digest.example.org", timeouts=timeouts, **more)  # type: ignore[arg-type]
        transports.append(SmtpTransport(config, context))
        return transports[-1]

    yield make
    for transport in transports:
        transport.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
