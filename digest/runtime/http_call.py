"""HTTP calls with a deadline for the whole of each, protected against SSRF.

A configured host name may come to point elsewhere: it is resolved once, checked, and that very address is connected to.
No redirects, no proxies.

`http.client`, not httpx: httpx can pin the address and check the certificate for the name, but its timeouts are for
each read. A deadline for the whole call needs its asynchronous client, which hides why a connection failed.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from urllib.parse import urlsplit

from digest import __version__

CONNECT_SECONDS = 10.0
WHOLE_SECONDS = 20.0
FAULTS = (OSError, http.client.HTTPException, ValueError)
_READ_BYTES = 64 * 1024


class ForbiddenAddressError(OSError):
    """The name points to an address that is never called."""


def get(url: str) -> tuple[int, bytes]:
    """GET; see `post`."""
    return _call("GET", url, {}, None)


def post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """Return status and body (its first 64 KB) of an answer. Raises one of FAULTS when none comes in time."""
    return _call("POST", url, headers, body)


def _call(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    headers = {"user-agent": f"digestpress/{__version__}", "connection": "close", **headers}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(_connect(parts.scheme, parts.hostname or "", parts.port)) as connection:
        # a timeout is for each read: a dripping server would hold us for ever
        watchdog = threading.Timer(WHOLE_SECONDS, _hang_up, [connection.sock])
        watchdog.daemon = True
        watchdog.start()
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return response.status, response.read(_READ_BYTES)
        finally:
            watchdog.cancel()


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
            raise ForbiddenAddressError(f"{host} resolves to {address}, to which requests are not allowed")
        if only_loopback and not address.is_loopback:
            raise ForbiddenAddressError(f"{host} resolves to {address}: http is allowed for this machine only")
    return str(found[0])


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        sock.shutdown(socket.SHUT_RDWR)
