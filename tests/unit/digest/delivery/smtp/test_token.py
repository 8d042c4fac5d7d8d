"""Access tokens: by a command or from an endpoint, kept until they expire, and in no error."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from digest.delivery.smtp.token import COMMAND_SECONDS, AccessToken, access_token
from digest.delivery.transport import RelayRefusedError
from digest.runtime.errors import RelayUnreachableError
from digest.settings.delivery import Relay

Answer = tuple[int, object]


class Endpoint:
    """A token endpoint: it answers with `answers` in turn, the last one again, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [(200, {"access_token": "tok", "expires_in": 3600, "token_type": "Bearer"})]
        self.asked: list[dict[str, str]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                endpoint.asked.append({name: values[0] for name, values in parse_qs(body).items()})
                status, answer = endpoint.answers[min(len(endpoint.asked), len(endpoint.answers)) - 1]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def by_refresh(endpoint: Endpoint, tmp_path: Path) -> Callable[..., AccessToken]:
    def make(**more: str) -> AccessToken:
        (tmp_path / "refresh").write_text("old-refresh\n")
        (tmp_path / "client").write_text("client-secret\n")
        files = {"refresh_token_file": "refresh", "client_secret_file": "client", **more}
        relay = Relay(host="h", username="u", token_url=endpoint.url, client_id="id", **files)  # type: ignore[arg-type]
        found = access_token(relay, tmp_path)
        assert found
        return found

    return make


def by_command(workspace: Path, command: str | tuple[str, ...], timeout: float = 10) -> AccessToken:
    relay = Relay(host="h", username="u", token_command=command, token_timeout=timeout)
    found = access_token(relay, workspace)
    assert found
    return found


class Source:
    def __init__(self, seconds: float = 100) -> None:
        self.count = 0
        self.seconds = seconds
        self.now = 0.0

    def __call__(self) -> tuple[str, float]:
        self.count += 1
        return f"token{self.count}", self.seconds

    def clock(self) -> float:
        return self.now


def test_a_token_is_kept_until_it_expires() -> None:
    source = Source()
    token = AccessToken(source, source.clock)
    assert [token.get() for _ in range(3)] == ["token1"] * 3
    source.now = 99.9
    assert token.get() == "token1"
    source.now = 100
    assert token.get() == "token2"


def test_a_refused_token_is_asked_anew_by_one_of_many() -> None:
    source = Source()
    token = AccessToken(source, source.clock)
    assert token.get() == "token1"
    assert [token.get(refused="token1") for _ in range(5)] == ["token2"] * 5  # ten connections, refused together
    assert source.count == 2


def test_a_command_prints_a_token_on_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "token.sh").write_text("#!/bin/sh\necho ' ya29.abc '\necho more\necho chatter >&2\n")
    (tmp_path / "token.sh").chmod(0o700)
    assert by_command(tmp_path, "./token.sh 'one argument'").get() == "ya29.abc"
    assert by_command(tmp_path, ("./token.sh", "$HOME")).get() == "ya29.abc"
    assert COMMAND_SECONDS <= 3600


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    assert by_command(tmp_path, ("printf", "%s", "$(id)=")).get  # parsed, not expanded
    with pytest.raises(RelayRefusedError, match="contains blanks or other characters"):
        by_command(tmp_path, "printf %s $(id)").get()


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        ("no-such-command --secret s3cret", RelayRefusedError, "cannot be started: no-such-command: No such file"),
        ("sh -c 'echo tok; exit 3' s3cret", RelayUnreachableError, r"\(sh\) failed with status 3"),
        ("true", RelayRefusedError, "it is empty"),
        ("echo ERROR: log in first", RelayRefusedError, "it is empty, or contains blanks"),
        ("""echo '{"access_token":"s3cret"}'""", RelayRefusedError, "other characters"),
    ],
)
def test_what_a_command_does_wrong_is_named(tmp_path: Path, command: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        by_command(tmp_path, command).get()
    assert "token_command" in str(caught.value) + caught.value.hint
    assert "s3cret" not in str(caught.value) + caught.value.hint


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RelayUnreachableError, match=r"did not finish within 0\.3 seconds"):
        by_command(tmp_path, "sh -c 'sleep 60 & echo $! > child; wait'", 0.3).get()
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    assert ended(child)


def ended(pid: int) -> bool:
    """Whether a process is gone, or waits to be reaped by init, within two seconds."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if " Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.01)
    return False


def test_what_a_command_leaves_running_holds_nobody(tmp_path: Path) -> None:
    began = time.monotonic()
    assert by_command(tmp_path, "sh -c 'sleep 2 & echo tok'").get() == "tok"
    assert time.monotonic() - began < 1.5


def test_a_command_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(RelayUnreachableError, match="did not finish"):
        by_command(tmp_path, (sys.executable, "-c", "while True: print('x' * 1000)"), 0.5).get()


def test_a_refresh_token_gets_an_access_token(
    by_refresh: Callable[..., AccessToken], endpoint: Endpoint, tmp_path: Path
) -> None:
    token = by_refresh(token_scope="https://outlook.office.com/SMTP.Send offline_access")
    assert [token.get(), token.get()] == ["tok", "tok"]
    assert endpoint.asked == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "old-refresh",
            "client_id": "id",
            "client_secret": "client-secret",
            "scope": "https://outlook.office.com/SMTP.Send offline_access",
        }
    ]
    assert (tmp_path / "refresh").read_text() == "old-refresh\n"


def test_a_client_can_log_in_as_itself(by_refresh: Callable[..., AccessToken], endpoint: Endpoint) -> None:
    assert by_refresh(refresh_token_file="", token_scope="https://outlook.office365.com/.default").get() == "tok"
    assert endpoint.asked[0]["grant_type"] == "client_credentials"
    assert "refresh_token" not in endpoint.asked[0]


def test_a_new_refresh_token_replaces_the_old_one(
    by_refresh: Callable[..., AccessToken], endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.answers = [(200, {"access_token": "tok", "expires_in": "30", "refresh_token": "new-refresh"})]
    token = by_refresh()
    token.get()
    assert (tmp_path / "refresh").read_text() == "new-refresh\n"
    assert (tmp_path / "refresh").stat().st_mode & 0o777 == 0o600
    token.get()  # it has expired: 30 seconds are less than our reserve
    assert [one["refresh_token"] for one in endpoint.asked] == ["old-refresh", "new-refresh"]


def test_a_refresh_token_that_cannot_be_stored_is_a_warning(
    by_refresh: Callable[..., AccessToken],
    endpoint: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("digest.delivery.smtp.token.whole_file", refuse)
    endpoint.answers = [(200, {"access_token": "tok", "refresh_token": "new-refresh"})]
    assert by_refresh().get() == "tok"
    assert "refresh cannot be replaced with the new refresh token" in caplog.text
    assert "Read-only file system" in caplog.text
    assert "new-refresh" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            (400, {"error": "invalid_grant", "error_description": "AADSTS700082: expired"}),
            RelayRefusedError,
            "AADSTS70",
        ),
        ((401, {"error": "invalid_client", "error_description": "not client-secret"}), RelayRefusedError, "401"),
        ((302, b""), RelayRefusedError, "302"),
        ((404, b"<html>old-refresh</html>"), RelayRefusedError, "404: no reason"),
        ((429, {"error": "slow_down"}), RelayUnreachableError, "429: slow_down"),
        ((503, b"\xff\x00"), RelayUnreachableError, "503"),
        ((200, b"[]"), RelayRefusedError, "without an access_token"),
        ((200, {"access_token": 7}), RelayRefusedError, "without an access_token"),
        ((200, {"access_token": "two words"}), RelayRefusedError, "blanks"),
    ],
)
def test_what_an_endpoint_refuses_is_named(
    by_refresh: Callable[..., AccessToken], endpoint: Endpoint, answer: Answer, error: type, message: str
) -> None:
    endpoint.answers = [answer]
    with pytest.raises(error, match=message) as caught:
        by_refresh().get()
    shown = str(caught.value) + caught.value.hint
    assert not any(secret in shown for secret in ("old-refresh", "client-secret", "two words"))
    assert caught.value.hint
    assert ("refresh_token_file" in shown) is (b"invalid_grant" in repr(answer).encode())


def test_an_endpoint_out_of_reach_may_work_later(tmp_path: Path) -> None:
    (tmp_path / "refresh").write_text("r")
    relay = Relay(host="h", username="u", token_url="http://127.0.0.1:1/", client_id="id", refresh_token_file="refresh")
    token = access_token(relay, tmp_path)
    assert token
    with pytest.raises(RelayUnreachableError, match=r"token_url \(127\.0\.0\.1\) cannot be reached"):
        token.get()


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ("", "is empty"), (b"\xe4", "is not UTF-8")]
)
def test_a_secret_file_that_is_none_ends_the_run(
    by_refresh: Callable[..., AccessToken], tmp_path: Path, content: str | bytes | None, message: str
) -> None:
    token = by_refresh()
    (tmp_path / "client").unlink()
    if content is not None:
        (tmp_path / "client").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RelayRefusedError, match=f"client_secret_file {message}"):
        token.get()
