"""Signed webhook call (Standard Webhooks), protected against SSRF.

The operator's host name may come to point elsewhere: it is resolved once, checked, and that very address is connected
to. No redirects, no proxies.

`http.client`, not httpx: httpx can pin the address and check the certificate for the name, but its timeouts are for
each read. A deadline for the whole call needs its asynchronous client, which hides why a connection failed.
"""

import base64
import binascii
import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from digest import __version__
from digest.runtime.errors import ConfigError
from digest.runtime.privacy import masked

CONNECT_SECONDS = 10.0
WHOLE_SECONDS = 20.0
MIN_SECRET_BYTES = 24
_PREFIX = "whsec_"
_READ_BYTES = 4096


class ForbiddenAddressError(OSError):
    """The webhook's name points to an address that is never called."""


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """Result of a call: a status, or why there is none."""

    status: int | None
    words: str

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """Whether the receiver wants no more calls (410 Gone)."""
        return self.status == http.HTTPStatus.GONE


def read_secret(path: Path) -> bytes:
    """Return the key in a secret file: `whsec_` and base64, or any text of 24 bytes or more."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[operators] webhook_secret_file cannot be read: {path.name}") from error
    try:
        encoded = text.removeprefix(_PREFIX)
        key = base64.b64decode(encoded, validate=True) if text.startswith(_PREFIX) else text.encode()
    except binascii.Error as error:
        raise ConfigError("[operators] webhook_secret_file: what follows whsec_ is not base64") from error
    if len(key) < MIN_SECRET_BYTES:
        raise ConfigError(
            "[operators] webhook_secret_file holds fewer than 24 bytes",
            hint="Make one: (printf whsec_; openssl rand -base64 32) > webhook.secret; chmod 600 webhook.secret",
        )
    return key


def call(url: str, key: bytes, call_id: str, timestamp: int, body: bytes) -> WebhookAnswer:
    """POST `body` and return the result; never raises for errors of the receiver or the network."""
    parts = urlsplit(url)
    headers = {
        "content-type": "application/json",
        "user-agent": f"digestpress/{__version__}",
        "webhook-id": call_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": Webhook(key).sign(call_id, datetime.fromtimestamp(timestamp, UTC), body.decode()),
        "connection": "close",
    }
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with closing(_connect(parts.scheme, parts.hostname or "", parts.port)) as connection:
            # a timeout is for each read: a dripping server would hold us for ever
            watchdog = threading.Timer(WHOLE_SECONDS, _hang_up, [connection.sock])
            watchdog.daemon = True
            watchdog.start()
            try:
                connection.request("POST", target, body, headers)
                response = connection.getresponse()
                response.read(_READ_BYTES)
            finally:
                watchdog.cancel()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return WebhookAnswer(None, masked(str(error) or type(error).__name__)[:200])
    note = "a redirect, which is not followed" if 300 <= response.status < 400 else ""
    return WebhookAnswer(response.status, f"{response.status} {note}".strip())


def _connect(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    secure = scheme == "https"
    port = port or (443 if secure else 80)
    address = resolve(host, port, only_loopback=not secure)
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
    plain = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    try:
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
    except BaseException:
        plain.close()
        raise
    return connection


def resolve(host: str, port: int, *, only_loopback: bool) -> str:
    """Return the address to connect to. Raises OSError: no such name, or ForbiddenAddressError.

    Private networks are allowed, where monitoring often runs; link-local addresses (such as 169.254.169.254, the
    cloud's metadata) are not, nor is http beyond loopback.
    """
    found = [entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = ipaddress.ip_address(str(text).partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
            raise ForbiddenAddressError(f"{host} points to {address}, which is never called")
        if only_loopback and not address.is_loopback:
            raise ForbiddenAddressError(f"{host} points to {address}: http is for this machine only")
    return str(found[0])


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        sock.shutdown(socket.SHUT_RDWR)
