"""One webhook call: signed so that another implementation believes it, and never sent where it must not go."""

import base64
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from digest.notify.webhook import call, read_secret
from digest.runtime import http_call
from digest.runtime.errors import ConfigError
from digest.runtime.http_call import ForbiddenAddressError, refusal_of_configured, resolve
from digest.settings.operators import Operators
from tests.support.webhooks import receiving

BEYOND = partial(refusal_of_configured, only_loopback=False)
HERE = partial(refusal_of_configured, only_loopback=True)
KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def test_another_implementation_verifies_what_we_sign() -> None:
    with receiving() as receiver:
        answer = call(receiver.url, KEY, "evt_1", int(time.time()), '{"type":"digest.test","data":"호"}'.encode())
    assert answer.is_taken
    headers, body = receiver.got[0]
    assert Webhook(SECRET).verify(body, headers)["type"] == "digest.test"
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-id": "evt_2"})


def test_the_signature_is_the_specifications() -> None:
    # The example of the Standard Webhooks specification.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (
        Webhook(key).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), body.decode())
        == expected
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with receiving(status) as receiver:
        answer = call(receiver.url, KEY, "evt_1", 1, b"{}")
    assert not answer.is_taken
    assert "redirect" in answer.words
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("status", "taken", "final"),
    [(200, True, False), (204, True, False), (400, False, False), (410, False, True), (503, False, False)],
)
def test_what_an_answer_means(status: int, taken: bool, final: bool) -> None:
    with receiving(status) as receiver:
        answer = call(receiver.url, KEY, "evt_1", 1, b"{}")
    assert (answer.is_taken, answer.is_final) == (taken, final)


def test_nobody_there_is_an_answer_too() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = call(f"http://127.0.0.1:{taken.getsockname()[1]}/", KEY, "evt_1", 1, b"{}")
    assert answer.status is None
    assert "refused" in answer.words


def test_https_needs_a_certificate_that_proves_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    answers = []
    for name in ("localhost", "other.example"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        with receiving(context=context) as receiver, monkeypatch.context() as patched:
            trusting = ssl.create_default_context()
            authority.configure_trust(trusting)
            patched.setattr("digest.runtime.http_call.ssl.create_default_context", lambda trusting=trusting: trusting)
            answers.append(call(receiver.url.replace("127.0.0.1", "localhost"), KEY, "evt_1", 1, b"{}"))
    assert [answer.is_taken for answer in answers] == [True, False]
    assert "certificate" in answers[1].words.lower()


def test_who_drips_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_call, "WHOLE_SECONDS", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def drip() -> None:
        taken, _ = listening.accept()
        with taken:
            while not stopping.wait(0.02):
                try:
                    taken.sendall(b"H")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    answer = call(f"http://127.0.0.1:{listening.getsockname()[1]}/", KEY, "evt_1", 1, b"{}")
    stopping.set()
    thread.join()
    listening.close()
    assert answer.status is None


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "::ffff:169.254.169.254"],
)
def test_what_answers_only_to_the_machine_is_never_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForbiddenAddressError):
        resolve(address, 443, BEYOND)


@pytest.mark.parametrize("address", ["10.0.0.5", "192.0.2.1", "8.8.8.8"])
def test_http_is_for_loopback_only(address: str) -> None:
    assert resolve(address, 443, BEYOND) == address
    with pytest.raises(ForbiddenAddressError):
        resolve(address, 80, HERE)


def test_a_name_that_points_elsewhere_is_not_called_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", 80)),
    ]
    monkeypatch.setattr("digest.runtime.http_call.socket.getaddrinfo", lambda *_args, **_named: found)
    answer = call("http://localhost:80/", KEY, "evt_1", 1, b"{}")
    assert answer.status is None
    assert "10.0.0.5" in answer.words


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://example.org/",
        "https://",
        "https://user:word@example.org/",
        "https://example.org:port/",
        "https://example.org/a b",
        "https://example.org/\r\nx",
        "https://example.org/#part",
        "file:///etc/passwd",
        "",
    ],
)
def test_the_configuration_refuses_what_is_never_called(url: str) -> None:
    with pytest.raises(ValidationError):
        Operators(webhook=url, webhook_secret_file="webhook.secret")


@pytest.mark.parametrize(
    "url", ["https://example.org/hook?a=b", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]:80/"]
)
def test_the_configuration_takes_what_may_be_called(url: str) -> None:
    assert Operators(webhook=url, webhook_secret_file="webhook.secret").webhook == url


def test_a_webhook_without_a_secret_is_refused() -> None:
    with pytest.raises(ValidationError):
        Operators(webhook="https://example.org/")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (SECRET, True),
        ("a long word that is no base64 at all", True),
        ("short", False),
        ("whsec_????", False),
        ("whsec_c2hvcnQ=", False),
        ("", False),
    ],
)
def test_secrets_are_long_enough(tmp_path: Path, text: str, good: bool) -> None:
    path = tmp_path / "webhook.secret"
    path.write_text(f"{text}\n")
    if good:
        assert len(read_secret(path)) >= 24
    else:
        with pytest.raises(ConfigError):
            read_secret(path)
    with pytest.raises(ConfigError):
        read_secret(tmp_path / "missing")
    path.write_bytes(b"\xff\xfe" * 40)
    with pytest.raises(ConfigError):
        read_secret(path)


def test_the_body_on_the_wire_is_the_one_that_is_signed() -> None:
    body = json.dumps({"a": "ü"}, ensure_ascii=False).encode()
    with receiving() as receiver:
        call(receiver.url, KEY, "evt_9", 12, body)
    headers, got = receiver.got[0]
    assert got == body
    assert headers["webhook-signature"] == Webhook(KEY).sign("evt_9", datetime.fromtimestamp(12, UTC), body.decode())
