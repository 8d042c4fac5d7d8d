"""Whether pages that authors link to are there: many at a time, through a guard against SSRF.

Only public addresses are called, also after each redirect; see http_call. No body is read, and no cookie is kept.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import quote, urljoin, urlsplit

from digest.runtime.http_call import FAULTS, USER_AGENT, ForbiddenAddressError, IPAddress, connected

AT_A_TIME = 8
LINK_SECONDS = 10.0
"""For one link, with all its redirects."""
MOST_REDIRECTS = 5
NO_SUCH_NAME = "the name does not exist"
_GONE = {404, 410}
_REDIRECTS = {301, 302, 303, 307, 308}
_PORTS = {80, 443}
"""Of those below 1024: the others belong to services that a request should not disturb, such as mail."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_KEPT = "/:?#[]@!$&'()*+,;=%~"


class LinkState(StrEnum):
    """What is known of a link."""

    FOUND = "found"
    DEAD = "dead"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a link's server answered: `words` say why it is not found."""

    link: LinkState
    words: str = ""


def probe_all(
    addresses: Sequence[str], *, seconds: float, on_answer: Callable[[int], None] = lambda _: None
) -> dict[str, Answer]:
    """Return the answers that came within `seconds`, by address. `on_answer` gets their number so far."""
    waiting, answered = SimpleQueue[str](), SimpleQueue[tuple[str, Answer]]()
    for address in addresses:
        waiting.put(address)

    def work() -> None:
        with suppress(Empty):
            while time.monotonic() < until:
                address = waiting.get_nowait()
                answered.put((address, probe(address)))

    until = time.monotonic() + seconds
    for _ in range(min(AT_A_TIME, len(addresses))):
        # daemons: the system's resolver may take longer than anyone waits, and can't be stopped
        Thread(target=work, daemon=True).start()
    found: dict[str, Answer] = {}
    with suppress(Empty):
        while len(found) < len(addresses):
            address, answer = answered.get(timeout=max(0.0, until - time.monotonic()))
            found[address] = answer
            on_answer(len(found))
    return found


def probe(address: str) -> Answer:
    """Return what is known of an http or https address after at most LINK_SECONDS. Never raises."""
    until = time.monotonic() + LINK_SECONDS
    try:
        for _ in range(MOST_REDIRECTS + 1):
            status, location = _asked(address, until)
            if status not in _REDIRECTS or not location:
                return _answer_of(status)
            address = urljoin(address, location)
        return Answer(LinkState.UNSURE, f"redirects more than {MOST_REDIRECTS} times")
    except ssl.SSLCertVerificationError as error:
        return Answer(LinkState.DEAD, f"its certificate is not valid: {error.verify_message}")
    except socket.gaierror as error:
        is_unknown = error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
        return Answer(LinkState.DEAD, NO_SUCH_NAME) if is_unknown else Answer(LinkState.UNSURE, "no answer from DNS")
    except ConnectionRefusedError:
        return Answer(LinkState.DEAD, "the server refuses the connection")
    except (*FAULTS, UnicodeError) as error:
        return Answer(LinkState.UNSURE, "no answer in time" if time.monotonic() >= until else _words_of(error))


def is_public(address: IPAddress) -> bool:
    """Return whether an address, and the IPv4 address that it may stand for, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address in _LOCAL_NAT64 or address.sixtofour or address.teredo:  # tunnels of the past
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _refusal(address: IPAddress) -> str:
    return "" if is_public(address) else "which is not a public address"


def _asked(address: str, until: float) -> tuple[int, str]:
    """Return status and location; some servers answer GET only."""
    parts = urlsplit(address)
    host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    if parts.scheme not in {"http", "https"} or not host:
        raise ForbiddenAddressError(f"{address[:200]} is not an http address")
    if port is not None and port < 1024 and port not in _PORTS:
        raise ForbiddenAddressError(f"port {port} is not one for pages")
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    status, location = 0, ""
    for method in ("HEAD", "GET"):
        with connected(parts.scheme, host, port, _refusal, _left(until)) as connection:
            connection.request(
                method, target, headers={"user-agent": USER_AGENT, "accept": "*/*", "connection": "close"}
            )
            response = connection.getresponse()
            status, location = response.status, response.getheader("location") or ""
        if status < 400:
            break
    return status, location


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _answer_of(status: int) -> Answer:
    if status in _GONE:
        return Answer(LinkState.DEAD, f"the server answers {status} ({http.client.responses[status]})")
    return Answer(LinkState.FOUND) if status < 400 else Answer(LinkState.UNSURE, f"the server answers {status}")


def _words_of(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
