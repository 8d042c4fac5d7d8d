"""Checks of the relays (connection, TLS, AUTH; no mail is sent) and of our DKIM key."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from digest.delivery.dkim import setup
from digest.delivery.smtp.login import look
from digest.delivery.smtp.relay import RelayConfig, Timeouts, Tls
from digest.delivery.smtp.sasl import usable
from digest.delivery.smtp.token import AccessToken, access_token
from digest.render.checks import Severity
from digest.runtime.errors import DigestError, EnvironmentFailedError
from digest.settings.delivery import Relay
from digest.workspace.doctor.diagnosis import Diagnosis, DoctorContext

_SECONDS = Timeouts(connect=10, greeting=10, login=10)


def handshakes(context: DoctorContext) -> Iterator[Diagnosis]:
    """EHLO, STARTTLS with its certificate, which logins are offered, QUIT; never AUTH or MAIL. Gets a token."""
    settings = context.settings
    if settings.delivery.transport == "maildir":
        return
    if not settings.relay:
        message = 'transport = "smtp" without a [[relay]]'
        yield Diagnosis("relay-missing", Severity.BLOCK, message, "Add a [[relay]].")
    tls = ssl.create_default_context()
    for relay in settings.relay:
        if not relay.on_loopback and not settings.delivery.allow_send:
            message = f"{relay.host} would be refused: allow_send is false"
            yield Diagnosis("allow-send", Severity.BLOCK, message, "Set [delivery] allow_send = true.")
            continue
        yield from _handshake(relay, tls, settings.workspace)


def _handshake(relay: Relay, context: ssl.SSLContext, workspace: Path) -> Iterator[Diagnosis]:
    config = RelayConfig(host=relay.host, port=relay.port, tls=Tls(relay.tls), helo=relay.helo, timeouts=_SECONDS)
    try:
        offers = look(config, context)
    except EnvironmentFailedError as error:
        hint = "Check host, port and firewall. To check that it answers: digest doctor"
        yield Diagnosis("relay-unreachable", Severity.BLOCK, error.message, hint, environment=True)
        return
    except DigestError as error:  # it answers and refuses
        hint = error.hint or "Compare [[relay]] with the provider's documentation."
        yield Diagnosis("relay-refuses", Severity.BLOCK, error.message, hint)
        return
    if relay.username:
        yield from _login(config.name, offers, access_token(relay, workspace))


def _login(name: str, offers: Mapping[str, str], token: AccessToken | None) -> Iterator[Diagnosis]:
    """The relay offers what our password or token needs, and the token can be had; no login is tried."""
    try:
        usable(name, offers, by_token=token is not None)
    except DigestError as error:
        yield Diagnosis("relay-login", Severity.BLOCK, error.message, error.hint)
        return
    try:
        _ = token and token.get()
    except DigestError as error:
        outside = isinstance(error, EnvironmentFailedError)
        yield Diagnosis("relay-token", Severity.BLOCK, error.message, error.hint, environment=outside)


def signature(context: DoctorContext) -> Iterator[Diagnosis]:
    """The DKIM key can be used, and its domain is aligned for DMARC."""
    settings = context.settings
    try:
        signer = setup.signer_of(settings)
    except DigestError as error:
        yield Diagnosis("dkim-key", Severity.BLOCK, error.message, error.hint)
        return
    if signer and not setup.is_aligned(settings):
        sender = settings.publication.sender_domain
        message = f"Mail from {sender} is signed by {signer.domain}, which may not count for DMARC"
        remedy = "Remove [dkim] domain, or set it to the sender's domain or one above it."
        yield Diagnosis("dkim-domain", Severity.ADVISE, message, remedy)
