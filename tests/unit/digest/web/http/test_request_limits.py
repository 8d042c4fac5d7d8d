"""What a client may hold of the server, whose word about an address is taken, and what the log may say."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import Depends, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from digest.runtime.privacy import masked
from digest.web.http import timeouts
from digest.web.http.server import Bounds, Server
from subscribers.links import LinkSigner, Purpose
from subscribers.pages import forms
from subscribers.pages.forms import Form, read_form

WAIT_SECONDS = 30


def app() -> FastAPI:
    app = FastAPI()

    @app.get("/who")
    def who(request: Request) -> str:
        return request.client.host if request.client else ""

    @app.post("/form")
    def form(form: Form = Depends(read_form)) -> str:
        return form.one("a")

    return app


@contextmanager
def served(bounds: Bounds | None = None) -> Iterator[int]:
    server = Server(app(), "127.0.0.1", 0, bounds)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)


def told(port: int, request: bytes) -> bytes:
    """Send bytes, and return all that comes back until the server closes."""
    with connect(port) as connection:
        connection.sendall(request)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def get(port: int, path: str = "/who", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_a_head_that_never_ends_is_refused() -> None:
    with served() as port:
        answer = told(port, b"GET /who HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 400_000)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert get(port)[0] == 200


def test_who_sends_a_request_too_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "HEAD_SECONDS", 0.3)
    with served() as port:
        for begun in (b"", b"GET /who HTTP/1.1\r\nhost: ", b"GET /who HTTP/1.1\r\nhost: x\r\n\r\nGET /wh"):
            with connect(port) as connection:
                connection.sendall(begun)
                answer = rest(connection)  # returns when the server has closed
                assert answer.count(b"HTTP/1.1") == begun.count(b"\r\n\r\n")


def test_dripping_does_not_extend_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "HEAD_SECONDS", 0.5)
    with served() as port, connect(port) as connection:
        assert any(fails(connection) for _ in range(WAIT_SECONDS * 20))


def fails(connection: socket.socket) -> bool:
    time.sleep(0.05)
    try:
        connection.sendall(b"G")
    except OSError:
        return True
    return False


def test_a_body_that_never_ends_gets_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "BODY_SECONDS", 0.3)
    with served() as port, connect(port) as connection:
        connection.sendall(b"POST /form HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\na=b")
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_a_large_body_is_refused_before_it_is_sent() -> None:
    with served() as port, connect(port) as connection:
        connection.sendall(b"POST /form HTTP/1.1\r\nhost: x\r\ncontent-length: 10485760\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")  # not one byte of it was sent


def test_a_body_of_unknown_length_is_refused_once_too_large() -> None:
    with served() as port, connect(port) as connection:
        connection.sendall(b"POST /form HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        connection.sendall(b"fa00\r\n" + b"a" * 0xFA00 + b"\r\nfa00\r\n" + b"a" * 0xFA00 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_who_goes_away_in_the_middle_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    with served() as port:
        with connect(port) as connection:
            connection.sendall(b"POST /form HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\na=b")
        assert get(port)[0] == 200
    assert "Traceback" not in caplog.text


def test_more_connections_than_allowed_are_answered_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(Bounds(connections=10)) as port:
        idle = [connect(port) for _ in range(12)]
        for one in idle:
            one.sendall(b"G")
        assert get(port)[0] == 503
        for one in idle:
            one.close()
        assert any(get(port)[0] == 200 for _ in range(100))


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        (("127.0.0.1",), "192.0.2.7", "192.0.2.7"),
        (("127.0.0.1",), "198.51.100.1, 192.0.2.7", "192.0.2.7"),  # what a client wrote itself stands first
        (("127.0.0.1", "10.0.0.0/8"), "198.51.100.1, 10.1.2.3", "198.51.100.1"),
        (("192.0.2.9",), "192.0.2.7", "127.0.0.1"),
        ((), "192.0.2.7", "127.0.0.1"),
    ],
)
def test_an_address_is_believed_only_from_a_trusted_proxy(
    monkeypatch: pytest.MonkeyPatch, trusted: tuple[str, ...], forwarded: str, client: str
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # what a stranger's environment says does not count
    with served(Bounds(trusted_proxies=trusted)) as port:
        assert get(port, x_forwarded_for=forwarded) == (200, f'"{client}"')


# Logs

SIGNER = LinkSigner(["a key for links, long enough"], "https://x")


def test_a_log_line_loses_addresses_and_tokens() -> None:
    token = SIGNER.token(Purpose.UNSUBSCRIBE, "0123456789abcdef" * 2)
    for line in (
        f"GET /unsubscribe/{token} HTTP/1.1",
        f"('{token.partition('.')[0]}',)",
        f"({token.rpartition('.')[2]})",
        "DETAIL:  Key (address_key)=(kim.minjun@example.org) already exists.",
        "ref='0123456789abcdef0123456789abcdef'",
        "There is no subscriber with the address Kim+tag@sub.Example.ORG.",
    ):
        left = masked(line)
        assert "kim" not in left.lower()
        assert "example" not in left.lower()
        assert not any(piece in left for piece in (token[10:30], token[-20:], "0123456789abcdef")), left


@given(st.emails())
def test_no_address_stays(address: str) -> None:
    local = address.rpartition("@")[0]
    if len(local) > 3 and local.replace(".", "").isalnum():
        assert local not in masked(f"failed for {address}: no")
