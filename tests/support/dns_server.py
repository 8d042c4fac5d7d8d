"""A name server on loopback that knows a few records: real questions over real datagrams, no network."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SERVFAIL = ("SERVFAIL",)
"""Instead of texts: the server has no answer."""


@contextmanager
def naming(records: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[str]:
    """Serve `records` ((name, type) to texts as in a zone file) for the time of a with block; yield ADDRESS:PORT."""
    known = {(name.lower().rstrip(".") + ".", kind): texts for (name, kind), texts in records.items()}
    names = {name for name, _ in known}
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(0.05)
    stopping = threading.Event()

    def answer() -> None:
        while not stopping.is_set():
            try:
                data, peer = server.recvfrom(4096)
            except TimeoutError:
                continue
            query = dns.message.from_wire(data)
            question = query.question[0]
            response = dns.message.make_response(query)
            response.flags |= dns.flags.AA | dns.flags.RA
            name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
            texts = known.get((name, kind))
            if texts == SERVFAIL:
                response.set_rcode(dns.rcode.SERVFAIL)
            elif texts:
                response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
            elif not any(one == name or one.endswith(f".{name}") for one in names):
                response.set_rcode(dns.rcode.NXDOMAIN)
            server.sendto(response.to_wire(), peer)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        stopping.set()
        thread.join()
        server.close()
