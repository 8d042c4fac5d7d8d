"""The server itself: where it may listen, what it says, how it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from digest.runtime.errors import UsageError
from digest.web.http.server import AddressTakenError, serve, serve_on_loopback

PROGRAM = """
import asyncio, sys, threading
from fastapi import FastAPI
from digest.web.http.server import serve
app = FastAPI()

@app.get("/hello/{token}")
def hello(token: str) -> str:
    return "hello"

serve(app, "127.0.0.1", 0, told=lambda address: print(address, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_the_preview_is_served_to_this_machine_only(host: str) -> None:
    with pytest.raises(UsageError, match="has no login") as refusal:
        serve_on_loopback(FastAPI(), host, 0)
    assert "ssh -L" in refusal.value.hint


def test_an_address_in_use_is_one_sentence_with_a_hint() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(AddressTakenError, match="already in use") as refusal,
    ):
        serve(FastAPI(), "127.0.0.1", taken.getsockname()[1])
    assert refusal.value.exit_code == 4
    assert "--port" in refusal.value.hint


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(AddressTakenError, match="70000 is not a valid port"):
        serve(FastAPI(), "127.0.0.1", 70000)


def test_it_says_where_it_is_logs_nothing_and_ends_at_a_signal(repo_root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repo_root)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    connection.request("GET", "/hello/a-secret-token")
    assert connection.getresponse().status == 200
    connection.close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert "a-secret-token" not in out + err
    assert "Traceback" not in err
