"""Links of authors: what is there, what is gone, and what is never called, whatever a server or a resolver says."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from digest.runtime import link_probe
from digest.runtime.link_probe import Answer, LinkState, is_public, probe, probe_all

HERE = ipaddress.ip_address("127.0.0.1")


@pytest.fixture(autouse=True)
def _this_machine_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_probe, "is_public", lambda address: address == HERE or is_public(address))
    monkeypatch.setattr(link_probe, "LINK_SECONDS", 0.5)


@contextmanager
def answering(*answers: bytes, context: ssl.SSLContext | None = None, drip: float = 0) -> Iterator[str]:
    """Serve these bytes, one answer for each connection, the last one for all that follow; yield the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    left, ended = list(answers), threading.Event()

    def serve_one(taken: Any, answer: bytes) -> None:
        try:
            with taken if context is None else context.wrap_socket(taken, server_side=True) as line:
                line.recv(65536)
                while drip and not ended.wait(drip):
                    line.sendall(answer)
                line.sendall(answer)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                taken, _ = listening.accept()
            except OSError:
                return
            answer = left.pop(0) if len(left) > 1 else left[0]
            threading.Thread(target=serve_one, args=(taken, answer), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    scheme = "http" if context is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        ended.set()
        listening.close()


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    ("answers", "link", "words"),
    [
        ((status("200 OK") + b"x" * 9_000_000,), LinkState.FOUND, ""),
        ((status("405 No HEAD"), status("200 OK")), LinkState.FOUND, ""),
        ((status("404 Not Found"), status("204 But GET")), LinkState.FOUND, ""),
        ((status("404 Not Found"),), LinkState.DEAD, "404 (Not Found)"),
        ((status("410 Gone"),), LinkState.DEAD, "410 (Gone)"),
        ((status("403 No robots"),), LinkState.UNSURE, "403"),
        ((status("503 Later"),), LinkState.UNSURE, "503"),
        ((status("301 Moved", "Location: /b"), status("200 OK")), LinkState.FOUND, ""),
        ((status("302 Found"),), LinkState.FOUND, ""),
        ((status("302 Found", "Location: /again"),), LinkState.UNSURE, "redirects more than 5 times"),
        ((status("302 Found", "Location: http://10.0.0.1/"),), LinkState.UNSURE, "not a public address"),
        (
            (status("302 Found", "Location: http://[::ffff:169.254.169.254]/"),),
            LinkState.UNSURE,
            "not a public address",
        ),
        ((status("302 Found", "Location: file:///etc/passwd"),), LinkState.UNSURE, "not an http address"),
        ((status("302 Found", "Location: http://127.0.0.1:25/"),), LinkState.UNSURE, "port 25"),
        ((b"",), LinkState.UNSURE, "closed"),
        ((b"SSH-2.0-OpenSSH\r\n",), LinkState.UNSURE, "SSH"),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,), LinkState.UNSURE, "65536"),
        ((b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",), LinkState.UNSURE, "100 headers"),
    ],
)
def test_what_a_server_answers(answers: tuple[bytes, ...], link: LinkState, words: str) -> None:
    with answering(*answers) as address:
        answer = probe(f"{address}/a?b=ü#c")
    assert answer.link == link
    assert words in answer.words


@pytest.mark.parametrize("drop", [b"H", status("100 Continue")])
def test_a_server_that_drips_holds_nobody(drop: bytes) -> None:
    with answering(drop, drip=0.05) as address:
        assert probe(address) == Answer(LinkState.UNSURE, "no answer in time")


def test_a_certificate_must_be_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, others = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for issuer, name, words in (
        (authority, "127.0.0.1", ""),
        (authority, "other.example", "certificate is not valid: IP address mismatch"),
        (others, "127.0.0.1", "certificate is not valid"),
    ):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issuer.issue_cert(name).configure_cert(context)
        with answering(status("200 OK"), context=context) as address:
            answer = probe(address)
        assert words in answer.words
        assert answer.link == (LinkState.DEAD if words else LinkState.FOUND)
    with answering(b"\x15", drip=0.05) as address:  # never a handshake
        assert probe(address.replace("http:", "https:")).link == LinkState.UNSURE


def test_a_name_is_resolved_once_and_that_address_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], socket.getaddrinfo

    def resolver(host: str, port: int, *others: Any, **more: Any) -> list[Any]:
        if host == "127.0.0.1":
            return real(host, port, *others, **more)  # as the connection does
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with answering(status("302 Found", "Location: /b")) as address:
        port = address.rpartition(":")[2]
        answer = probe(f"http://user:secret@스마트.example:{port}/")
    assert answer == Answer(
        LinkState.UNSURE, "xn--hz2b15n31n.example resolves to 127.0.0.2, which is not a public address"
    )
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("fault", "link"),
    [(socket.EAI_NONAME, LinkState.DEAD), (socket.EAI_AGAIN, LinkState.UNSURE), (socket.EAI_FAIL, LinkState.UNSURE)],
)
def test_a_name_that_does_not_exist_is_dead(fault: int, link: LinkState, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolver(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(fault, "no")

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert probe("https://nowhere.example/").link == link


@pytest.mark.parametrize(
    "address",
    ["", "http://", "http://[", "javascript:alert(1)", "file:///etc/passwd", "mailto:a@b.c", "http://a..b/",
     "http://x:99999/", f"http://{'a' * 70}.example/", "http://example.org:22/", "//host"],
)  # fmt: skip
def test_what_is_no_page_is_not_called(address: str) -> None:
    assert probe(address).link == LinkState.UNSURE


def test_nothing_answers_at_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert probe(f"http://127.0.0.1:{port}/") == Answer(LinkState.DEAD, "the server refuses the connection")


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True),
        ("2002:808:808::1", False), ("10.0.0.1", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("127.0.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False),
        ("255.255.255.255", False), ("224.0.0.1", False), ("240.0.0.1", False), ("192.0.2.1", False),
        ("198.18.0.1", False), ("::1", False), ("::", False), ("fe80::1", False), ("fd00::1", False),
        ("ff02::1", False), ("2001:db8::1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False),
        ("64:ff9b:1::1", False), ("2002:a00:1::1", False), ("2001:0:0:0:0:0:f5ff:fffe", False), ("::7f00:1", False),
    ],
)  # fmt: skip
def test_only_the_internet_is_public(text: str, public: bool) -> None:
    address = ipaddress.ip_address(text)
    assert is_public(getattr(address, "ipv4_mapped", None) or address) is public


def test_many_links_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    with answering(status("200 OK")) as address:
        found = probe_all([f"{address}/{n}" for n in range(300)], seconds=20, on_answer=counts.append)
        assert len(found) == counts[-1] == 300
    with answering(b"H", drip=0.1) as address:
        assert len(probe_all([f"{address}/{n}" for n in range(2000)], seconds=0.7)) <= 8
    assert probe_all([], seconds=1) == {}
