"""HTTP calls with a deadline for the whole of each, protected against SSRF.

A host name may come to point elsewhere: it is resolved once, checked, and that very address is connected to. No
proxies. `get` and `post` call addresses of the configuration and follow no redirects; for those that authors write
see link_probe.

`http.client`, not httpx: httpx can pin the address and check the certificate for the name, but its timeouts are for
each read. A deadline for the whole call needs its asynchronous client, which hides why a connection failed.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

from digest import __version__

USER_AGENT = f"digestpress/{__version__}"
CONNECT_SECONDS = 10.0
WHOLE_SECONDS = 20.0
FAULTS = (OSError, http.client.HTTPException, ValueError)
_READ_BYTES = 64 * 1024

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Refusal = Callable[[IPAddress], str]
"""Says why an address is never called; empty for one that may be."""


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
    headers = {"user-agent": USER_AGENT, "connection": "close", **headers}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    refusal = partial(refusal_of_configured, only_loopback=parts.scheme != "https")
    with connected(parts.scheme, parts.hostname or "", parts.port, refusal, WHOLE_SECONDS) as connection:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        return response.status, response.read(_READ_BYTES)


@contextmanager
def connected(
    scheme: str, host: str, port: int | None, refusal: Refusal, seconds: float
) -> Iterator[http.client.HTTPConnection]:
    """Yield a connection to the address that was checked, and end it after `seconds`. Raises one of FAULTS."""
    secure = scheme == "https"
    port = port or (443 if secure else 80)
    address = resolve(host, port, refusal)
    patience = min(CONNECT_SECONDS, seconds)
    sock = socket.create_connection((address, port), timeout=patience)
    if secure:
        context = ssl.create_default_context()
        sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    # a timeout is for each read: a dripping server would hold us for ever
    watchdog = threading.Timer(seconds, _hang_up, [sock])
    watchdog.daemon = True
    watchdog.start()
    try:
        with sock, closing(http.client.HTTPConnection(host, port, timeout=patience)) as connection:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            connection.sock = sock
            yield connection
    finally:
        watchdog.cancel()


def resolve(host: str, port: int, refusal: Refusal) -> str:
    """Return the address to connect to. Raises OSError: no such name, or ForbiddenAddressError."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if why := refusal(getattr(address, "ipv4_mapped", None) or address):
            raise ForbiddenAddressError(f"{host} resolves to {address}, {why}")
    return found[0]


def refusal_of_configured(address: IPAddress, *, only_loopback: bool) -> str:
    """Refuse what no operator configures.

    Private networks are allowed, where monitoring often runs; link-local addresses (such as 169.254.169.254, the
    cloud's metadata) are not, nor is http beyond loopback.
    """
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return "to which requests are not allowed"
    return "but http is allowed for this machine only" if only_loopback and not address.is_loopback else ""


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        sock.shutdown(socket.SHUT_RDWR)
