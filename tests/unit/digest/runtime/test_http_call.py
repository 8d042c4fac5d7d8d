"""GET as it is used for certificates: one answer, no redirect, no other address."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from digest.runtime import http_call


def test_a_get_returns_the_answer_and_follows_nothing() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/away?x=1" else 200)
            self.send_header("location", "/here")
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert http_call.get(f"{base}/here") == (200, b"/here")
        assert http_call.get(f"{base}/away?x=1") == (302, b"/away?x=1")
        server.shutdown()


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "https://169.254.169.254/", "ftp://", "https://[", ""])
def test_a_forbidden_address_is_not_called(url: str) -> None:
    with pytest.raises(http_call.FAULTS):
        http_call.get(url)
