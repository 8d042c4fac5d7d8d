"""The sink of the benchmarks counts what it gets, however it comes, and survives what is no mail."""

import importlib
import json
import smtplib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def program(repo_root: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repo_root / "tests" / "benchmarks"))
        sinks = importlib.import_module("sinks")

        try:
            return str(sinks.compiled())
        except sinks.UnmeasurableError as error:
            pytest.skip(str(error))


@contextmanager
def running(program: str, *options: str) -> Iterator[Any]:
    process = subprocess.Popen([program, "--count", *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    state = SimpleNamespace(port=int(process.stdout.readline()), seen=None)
    try:
        yield state
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    state.seen = json.loads(output)


def raw(port: int, data: bytes, *, step: int | None = None) -> bytes:
    """Send bytes, in pieces of `step`, and return what came back until the sink closed."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # it may hang up in the middle
            for start in range(0, len(data), step or len(data)):
                client.sendall(data[start : start + (step or len(data))])
                if step:
                    time.sleep(0.0002)  # so that it is read before the next piece comes
            client.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):
            while piece := client.recv(65536):
                answer += piece
    return answer


def mail(recipient: str, body: bytes) -> bytes:
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    stuffed = b"." + stuffed if stuffed.startswith(b".") else stuffed
    return b"MAIL FROM:<a@b.example>\r\nRCPT TO:<" + recipient.encode() + b">\r\nDATA\r\n" + stuffed + b"\r\n.\r\n"


def test_it_takes_the_standard_librarys_mail_and_counts_each(program: str) -> None:
    with running(program) as sink, smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        assert client.ehlo()[0] == 250
        assert client.has_extn("pipelining")
        for recipient in ("x@example.org", "y@example.org", "x@example.org"):
            client.sendmail("a@example.org", [recipient], b"Subject: hi\r\n\r\n" + b"..line\r\n" * 20_000)
    assert (sink.seen["messages"], sink.seen["recipients"], sink.seen["most"]) == (3, 2, 2)


def test_many_recipients_are_told_apart(program: str) -> None:
    count, chunk = 70_000, 100  # more than its table begins with, and no more at once than its replies have room for
    with running(program) as sink, socket.create_connection(("127.0.0.1", sink.port), 10) as client:
        answers = client.makefile("rb")
        for first in range(0, count, chunk):
            client.sendall(b"".join(mail(f"r{number}@example.org", b"") for number in range(first, first + chunk)))
            taken = 0
            while taken < chunk:
                taken += b"taken" in answers.readline()
        answers.close()
    assert (sink.seen["messages"], sink.seen["recipients"], sink.seen["most"]) == (count, count, 1)


BODIES = st.lists(st.sampled_from([b".", b"..", b"\r\n", b"a", b"\r\n.", b"QUIT\r\n", b"\n", b"\r"]), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(BODIES.map(b"".join), min_size=1, max_size=5), step=st.integers(1, 40))
def test_whatever_the_pieces_each_message_is_counted_once(program: str, bodies: list[bytes], step: int) -> None:
    chained = b"EHLO me\r\n" + b"".join(mail(f"r{n}@example.org", body) for n, body in enumerate(bodies)) + b"QUIT\r\n"
    with running(program) as sink:
        answer = raw(sink.port, chained, step=step)
    assert answer.count(b"250 2.0.0 taken") == len(bodies)
    assert answer.endswith(b"221 2.0.0 goodbye\r\n")
    assert (sink.seen["messages"], sink.seen["most"]) == (len(bodies), 1)


def test_an_empty_message_ends_with_its_dot(program: str) -> None:
    with running(program) as sink:
        raw(sink.port, b"MAIL FROM:<>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n.\r\nQUIT\r\n")
    assert sink.seen["messages"] == 1


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"", b"220 "),
        (b"\r\n", b"500 "),
        (b"\x00\xff\xfe\r\n", b"500 "),
        (b"DATA\r\n", b"503 "),
        (b"RCPT TO:nobody\r\n", b"501 "),
        (b"RCPT TO:<" + b"x" * 400 + b">\r\n", b"501 "),
        (b"RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\n", b"452 "),
        (b"x" * 1_000_000, b"220 "),
        (b"NOOP\r\n" * 5_000, b"250 "),
    ],
)
def test_what_is_no_mail_is_answered_and_the_next_mail_is_taken(program: str, data: bytes, answer: bytes) -> None:
    with running(program) as sink:
        try:
            heard = raw(sink.port, data) if data else raw(sink.port, b"QUIT\r\n")
        except ConnectionError:
            heard = answer  # it hung up while we were still talking
        assert answer in heard
        assert b"taken" in raw(sink.port, mail("x@example.org", b"hi") + b"QUIT\r\n")
    assert sink.seen["messages"] == 1


def test_a_delay_changes_no_answer(program: str) -> None:
    with running(program, "--delay", "5") as sink:
        answer = raw(sink.port, b"EHLO me\r\n" + mail("x@example.org", b"hi") * 3 + b"QUIT\r\n")
    assert answer.count(b"taken") == 3
    assert sink.seen["most"] == 3


def test_an_unknown_option_is_refused(program: str) -> None:
    done = subprocess.run([program, "--nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr
