"""One signed webhook call in the form of Standard Webhooks, protected against SSRF.

The address is the operator's own, yet its name may come to point elsewhere: it is resolved once and checked, and that
very address is connected to. Redirects are not followed, proxies are not used.

`http.client`, not httpx: httpx can pin the address and check the certificate for the name, but its timeouts are for
each read. A deadline for the whole call needs its asynchronous client, and that one hides why a connection failed.
"""

import base64
import binascii
import http.client
import ipaddress
import socket
import ssl
import threading
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
    """What a call came to: a status, or why there is none."""

    status: int | None
    words: str

    @property
    def is_taken(self) -> bool:
        """Whether the other side has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """Whether it wants no more calls (410 Gone)."""
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
    """POST `body` and return what came of it; never raises for what the other side or the network does."""
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
    connection: http.client.HTTPConnection | None = None
    watchdog: threading.Timer | None = None
    try:
        connection = _connect(parts.scheme, parts.hostname or "", parts.port)
        # a timeout is for each byte: who drips would hold us for ever
        watchdog = threading.Timer(WHOLE_SECONDS, _hang_up, [connection.sock])
        watchdog.daemon = True
        watchdog.start()
        connection.request("POST", target, body, headers)
        response = connection.getresponse()
        response.read(_READ_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return WebhookAnswer(None, masked(str(error) or type(error).__name__)[:200])
    finally:
        if watchdog is not None:
            watchdog.cancel()
        if connection is not None:
            connection.close()
    told = "a redirect, which is not followed" if 300 <= response.status < 400 else ""
    return WebhookAnswer(response.status, f"{response.status} {told}".strip())


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

    Private networks are allowed, where monitoring often lives; what answers to nobody but the machine or its cloud
    (link-local, such as 169.254.169.254) is not, nor is anything but loopback in clear.
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
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is over already
